"""How fast a carrier with a limit is given segments: a tenth of a second's worth at once."""

import math

#: seconds' worth of segments that may go at once: more would be a burst that the carrier's own clock may not bear
AT_ONCE = 0.1
#: seconds a turn lasts at most and at least
LONGEST_TURN, SHORTEST_TURN = 2.0, 0.5
#: messages that the accounts of a trip have at hand together, so that small batches last a turn as large ones do; where
#: a turn is at its shortest, so many seconds' worth: it ends late by some portions
HELD, IN_HAND = 200, SHORTEST_TURN + 3 * AT_ONCE


def at_once(segments_per_second: float) -> int:
    """Return how many segments a portion may have, one at least."""
    return max(1, math.floor(segments_per_second * AT_ONCE))


def turn(segments_per_second: float) -> float:
    """Return for how many seconds the accounts of one trip keep a carrier with a limit to themselves."""
    return min(LONGEST_TURN, max(SHORTEST_TURN, HELD / segments_per_second))
