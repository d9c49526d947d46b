"""Database and Valkey access: one table per module, set-based SQL; no function here commits."""
