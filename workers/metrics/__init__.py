"""Metrics for Prometheus: the installation's, by `postroad metrics`, and each gateway process's own."""
