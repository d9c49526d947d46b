"""The garbage collector, kept off what lives as long as the process: it was walked through with every batch."""

import gc

#: objects made before it looks for cycles among them: a batch makes thousands and leaves none
_GARBAGE_AT = 50_000


def freeze() -> None:
    """Have the collector pass over all there is now, and come by more rarely."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_AT, 20, 50)
