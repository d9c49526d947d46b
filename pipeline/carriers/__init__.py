"""Carrier modules, one per kind: SMPP, HTTP vendors, simulated."""
