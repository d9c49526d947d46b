"""Stages that serve operators: the functions behind the CLI commands."""
