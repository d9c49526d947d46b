"""Ids: creation (UUIDv7), encoding (KSUID), comparison (SMSC message ids)."""
