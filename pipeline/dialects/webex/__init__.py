"""Webex Interact: SMS to up to 10,000 numbers a request (docs.webexinteract.com)."""
