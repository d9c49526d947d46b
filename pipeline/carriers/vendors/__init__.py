"""Carriers with HTTP APIs, one vendor a module."""
