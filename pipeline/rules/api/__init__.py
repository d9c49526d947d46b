"""Idempotency, key settings, webhook URLs."""
