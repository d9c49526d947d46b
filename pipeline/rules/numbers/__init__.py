"""Phone numbers: form, country, network, time zone; sender ids."""
