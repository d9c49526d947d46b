"""E-mails to operators about campaigns that need a person."""
