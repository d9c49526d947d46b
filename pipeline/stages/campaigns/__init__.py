"""Campaigns: create, load, check, approve, start, pause, resume, abort, expand and report."""
