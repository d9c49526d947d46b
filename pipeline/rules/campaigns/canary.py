"""Draw of a campaign's canary: in turns over the groups that its recipients are in, so that each group is in it."""

from collections import Counter
from collections.abc import Hashable, Iterable


def take_turns(candidates: Iterable[tuple[int, Hashable]], count: int) -> list[int]:
    """Return up to `count` of the lines, of (line, group): first one of each group, then a second of each."""
    turns: Counter[Hashable] = Counter()
    ranked = []
    for place, (line, group) in enumerate(candidates):
        ranked.append((turns[group], place, line))
        turns[group] += 1
    return [line for _, _, line in sorted(ranked)[:count]]
