"""Solaris: one text to a person whose mobile number is known (docs.solarisgroup.com)."""
