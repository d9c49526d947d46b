"""Migration scripts: one schema change each, in order."""
