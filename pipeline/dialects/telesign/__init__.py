"""TeleSign's SMS Verify API: form in, JSON out, requests signed with the customer's own key."""
