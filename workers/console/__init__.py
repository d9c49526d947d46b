"""The console: web pages for operators and for the users of accounts, rendered on the server."""
