"""Input and output of commands: parameter types, tables, JSON, error texts."""
