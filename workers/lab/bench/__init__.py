"""The benchmarks behind `postroad bench`: throughput, latency and CPU, beside the limits of PostgreSQL alone."""
