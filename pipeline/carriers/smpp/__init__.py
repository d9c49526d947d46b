"""SMPP 3.4 client, implemented from the octets up."""
