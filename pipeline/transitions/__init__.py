"""What a message or a batch becomes: status, money and event move together, in sets, and nothing is committed here."""
