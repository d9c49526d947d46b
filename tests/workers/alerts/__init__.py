"""Tests of e-mails to operators."""
