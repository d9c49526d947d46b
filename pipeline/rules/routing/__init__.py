"""Rules of routing: the choice of a carrier, failover, retries, unknown outcomes."""
