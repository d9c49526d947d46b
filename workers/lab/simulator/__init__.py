"""The other end of the wire: carriers to try and to test against, behind `postroad simulator`."""
