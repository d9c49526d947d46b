"""What the front doors keep: keys, persons, challenges, webhooks, limits."""
