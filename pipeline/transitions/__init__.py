"""Transitions of messages and batches: status, money and events change together, in the caller's transaction."""
