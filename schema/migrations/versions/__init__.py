"""One change of the database a file, in order."""
