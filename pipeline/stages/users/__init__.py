"""What users of the console do to sign in and out, and what is done with users."""
