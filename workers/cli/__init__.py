"""The command line: `postroad`."""

from workers.cli.command import main

__all__ = ["main"]
