"""Rules of phone numbers: E.164 parsing, country, network, time zone; sender ids."""
