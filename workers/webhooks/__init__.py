"""Calls of customers' webhooks, as a process makes them."""
