"""Tables and Valkey keys of the HTTP APIs: API keys, persons, challenges, webhooks, rate limits."""
