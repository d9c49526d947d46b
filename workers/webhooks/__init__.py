"""The notifier process, which calls customers' webhooks."""
