"""Robase's SMS API, as it was in April 2026: docs.robase.dev."""
