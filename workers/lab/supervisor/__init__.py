"""Starts and stops the processes of one machine."""
