"""The subcommands of `postroad`, one per module."""
