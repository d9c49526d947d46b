"""Who may be written to, and when: opt-outs, what handsets sent, keywords, quiet hours."""
