"""Texts: encodings, segments, templates, parts."""
