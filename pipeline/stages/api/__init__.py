"""Stages of the HTTP APIs: authentication, rate limits, queries, persons, verification and webhooks."""
