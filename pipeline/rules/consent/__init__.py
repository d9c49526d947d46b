"""Who may be sent to, and when."""
