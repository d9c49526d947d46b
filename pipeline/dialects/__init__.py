"""Vendors' HTTP APIs, one per folder: they translate requests and responses, and decide nothing."""
