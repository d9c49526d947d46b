"""Sizes of tests that `make soak` runs at full size: the suite runs them at a few percent of it.

Durations are the same in both: only what is counted grows.
"""

import os

#: whether this run is `make soak`
IS_SOAK = bool(os.environ.get("POSTROAD_SOAK"))


def size(usual: int, full: int) -> int:
    """Return how many of something a test uses: `full` in `make soak`, else `usual`."""
    return full if IS_SOAK else usual
