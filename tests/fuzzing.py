"""How long fuzz tests run, and the seed by which a failure is run again.

`make fuzz` sets POSTROAD_FUZZ; without it each test runs its own bounded number of mutations. POSTROAD_FUZZ_SEED
repeats the mutations of a failure.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager


def rounds(default: int) -> int:
    """Return how many mutations a fuzz test tries: POSTROAD_FUZZ, or the test's own number."""
    return int(os.environ.get("POSTROAD_FUZZ") or default)


@contextmanager
def seeded() -> Iterator[random.Random]:
    """Yield a source of randomness; an exception inside the `with` carries a note that names the seed."""
    seed = int(os.environ.get("POSTROAD_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
    try:
        yield random.Random(seed)
    except BaseException as error:
        error.add_note(f"run again with POSTROAD_FUZZ_SEED={seed}")
        raise
