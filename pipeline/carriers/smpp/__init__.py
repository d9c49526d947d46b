"""SMPP 3.4: our own client, from octets up."""
