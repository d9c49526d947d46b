"""Embedded PostgreSQL and Valkey servers: found, prepared, started and stopped as child processes."""
