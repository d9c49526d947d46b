"""`python -m workers.cli`: the `postroad` command, where its script is not on the PATH."""

from workers.cli import main

main()
