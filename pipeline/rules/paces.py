"""How fast a carrier with a limit is given segments: a tenth of a second's worth at once."""

import math

#: seconds' worth of segments that may go at once: more would be a burst that the carrier's own clock may not bear
AT_ONCE = 0.1
#: seconds a turn lasts at most and at least; between them so long that small batches, of which a trip may hold so many
#: messages' worth, last as long as large ones
LONGEST_TURN, SHORTEST_TURN, HELD = 2.0, 0.5, 200
#: seconds' worth of segments that accounts have at hand together where a turn is short: it ends late by some portions
IN_HAND = SHORTEST_TURN + 3 * AT_ONCE


def at_once(segments_per_second: float) -> int:
    """Return how many segments a portion may have, one at least."""
    return max(1, math.floor(segments_per_second * AT_ONCE))


def turn(segments_per_second: float) -> float:
    """Return for how many seconds the accounts of one trip keep a carrier with a limit to themselves."""
    return min(LONGEST_TURN, max(SHORTEST_TURN, HELD / segments_per_second))
