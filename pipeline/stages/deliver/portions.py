"""Portions: messages of claimed batches that are sent in one call, and the marks of their batches."""

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest
from operator import itemgetter
from uuid import UUID

from pipeline.journal import Run
from pipeline.store.batch_claims import Claim, PortionMark
from schema.carriage import Parcel
from schema.message_class import MessageClass


@dataclass(frozen=True, slots=True)
class Portion:
    """Parcels that are marked and sent together, each with its claim."""

    members: list[tuple[Claim, Parcel]]

    def last(self) -> dict[UUID, UUID]:
        """Return batch → the last of its messages in this portion."""
        # by id(), as hashing a UUID takes several times as long
        latest = {id(claim): (claim, parcel) for claim, parcel in self.members}
        return {claim.span.batch: parcel.ref for claim, parcel in latest.values()}

    def of(self, known: set[UUID]) -> "Portion":
        """Return only the members of the known batches."""
        if known.issuperset(self.last()):
            return self
        return Portion([(claim, parcel) for claim, parcel in self.members if claim.span.batch in known])

    def without(self, batches: Set[UUID]) -> "Portion":
        """Return only the members of other batches."""
        return Portion([(claim, parcel) for claim, parcel in self.members if claim.span.batch not in batches])

    def runs(self) -> list[Run]:
        """Return its messages grouped by batch, as the journal stores them."""
        return [
            Run(claim.span.batch, claim.fence, claim.attempt, [parcel.ref for _, parcel in members])
            for claim, members in groupby(self.members, key=itemgetter(0))
        ]

    def segments(self) -> int:
        """Return the number of segments of its messages."""
        return sum(parcel.segments for _, parcel in self.members)


NOTHING = Portion([])


def cut(claims: Sequence[Claim], loads: dict[UUID, list[Parcel]], size: int) -> Iterator[Portion]:
    """Yield the claims' parcels in portions of up to `size` messages, batch after batch."""
    members = [(claim, parcel) for claim in claims for parcel in loads[claim.span.batch]]
    for start in range(0, len(members), size):
        yield Portion(members[start : start + size])


def in_turn(claims: Sequence[Claim], loads: dict[UUID, list[Parcel]], size: int, segments: int) -> Iterator[Portion]:
    """Yield the claims' parcels in portions of up to `size` messages and `segments` segments (at least one message).

    Accounts take turns, message by message, each with its OTP messages first.
    """
    queues: defaultdict[int, list[tuple[Claim, Parcel]]] = defaultdict(list)
    for claim in sorted(claims, key=lambda each: each.message_class is not MessageClass.OTP):
        queues[claim.account] += [(claim, parcel) for parcel in loads[claim.span.batch]]
    portion: list[tuple[Claim, Parcel]] = []
    held = 0
    for claim, parcel in filter(None, chain.from_iterable(zip_longest(*queues.values()))):
        if portion and (len(portion) == size or held + parcel.segments > segments):
            yield Portion(portion)
            portion, held = [], 0
        portion.append((claim, parcel))
        held += parcel.segments
    if portion:
        yield Portion(portion)


def steps(claims: Sequence[Claim], sent: Portion, following: Portion | None) -> list[PortionMark]:
    """Return the new `recorded` and `marked` of each claim, for recording `sent` and marking `following`."""
    recorded, marked = sent.last(), following.last() if following else {}
    return [
        PortionMark(claim.span.batch, claim.fence, recorded.get(claim.span.batch), marked.get(claim.span.batch))
        for claim in claims
    ]
