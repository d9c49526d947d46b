"""Consent: opt-outs, inbound (MO) messages, keywords, quiet hours."""
