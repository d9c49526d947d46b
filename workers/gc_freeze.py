"""Keeps Python's garbage collector away from objects that live as long as the process, to save CPU."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: allocations before a collection of the youngest generation: a batch makes thousands and no cycles
_GARBAGE_AT = 50_000


def freeze() -> None:
    """Exclude all present objects from collection, and collect more rarely."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_AT, 20, 50)


@contextmanager
def paused() -> Iterator[None]:
    """Collect nothing during the `with`: while modules are imported there is little garbage, and much to look at."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
