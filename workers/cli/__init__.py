"""The `postroad` command line."""
