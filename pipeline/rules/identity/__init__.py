"""Ids that are made, written and compared."""
