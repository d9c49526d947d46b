"""Carrier workers: one process per connected carrier, so that a slow carrier delays no other."""
