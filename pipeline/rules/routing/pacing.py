"""Pacing: how fast a carrier with a rate limit is given segments, a tenth of a second's worth at once."""

import math

#: seconds' worth of segments submitted at once: more would be a burst that the carrier's own limiter may refuse
AT_ONCE = 0.1
#: longest and shortest turn of an account, in seconds
LONGEST_TURN, SHORTEST_TURN = 2.0, 0.5
#: messages that the accounts of a delivery run hold together, so that small batches last a turn as large ones do; at
#: the shortest turn, this many seconds' worth: it ends late by a few portions
HELD, IN_HAND = 200, SHORTEST_TURN + 3 * AT_ONCE


def at_once(segments_per_second: float) -> int:
    """Return the most segments of one portion, at least one."""
    return max(1, math.floor(segments_per_second * AT_ONCE))


def tenths_at_once(segments_per_second: float) -> int:
    """Return how many tenths of a segment the rate limit replenishes at most, at least one segment.

    More than a portion's whole segments, so that the time that a portion is late counts for the next one.
    """
    return max(10, math.floor(10 * segments_per_second * AT_ONCE))


def turn(segments_per_second: float) -> float:
    """Return for how many seconds the accounts of one delivery run have a rate-limited carrier to themselves."""
    return min(LONGEST_TURN, max(SHORTEST_TURN, HELD / segments_per_second))
