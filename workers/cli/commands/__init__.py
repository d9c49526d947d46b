"""The subcommands of `postroad`, one a file."""
