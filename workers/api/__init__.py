"""The vendors' HTTP APIs: authentication and dispatch of requests, submission to the stages, documentation pages."""
