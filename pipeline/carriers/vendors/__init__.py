"""HTTP vendors: one API a file, each a carrier made by its own `make`."""
