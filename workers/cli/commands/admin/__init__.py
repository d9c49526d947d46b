"""Subcommands for whoever runs the installation."""
