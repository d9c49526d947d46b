"""Decisions. Pure: values in, values out."""
