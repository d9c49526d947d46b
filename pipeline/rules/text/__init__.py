"""Rules of texts: encodings, segments, templates, inbound parts."""
