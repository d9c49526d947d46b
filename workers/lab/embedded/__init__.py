"""PostgreSQL and Valkey as children of ours: found, prepared, started, stopped."""
