"""How commands read what is typed and say what they found."""
