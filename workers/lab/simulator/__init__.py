"""The carrier simulator behind `postroad simulator`: SMSCs and HTTP carriers to test against."""
