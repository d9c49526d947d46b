"""How fast a carrier with a limit is given segments: a tenth of a second's worth at once."""

import math

#: seconds' worth of segments that may go at once: more would be a burst that the carrier's own clock may not bear
AT_ONCE = 0.1


def at_once(segments_per_second: float) -> int:
    """Return how many segments a portion may have, one at least."""
    return max(1, math.floor(segments_per_second * AT_ONCE))
