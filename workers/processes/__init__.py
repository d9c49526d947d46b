"""The processes of one machine: which there are, how they start, how they end."""
