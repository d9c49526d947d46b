"""Rules of the customer APIs: idempotency, key settings, webhook URLs."""
