"""How fast the road is on this machine, beside what its PostgreSQL could do: behind `postroad bench`."""
