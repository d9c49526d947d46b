"""Rules of consent: opt-outs, keywords, quiet hours, allowed countries."""
