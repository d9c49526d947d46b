"""Back doors: one kind of carrier a file."""
