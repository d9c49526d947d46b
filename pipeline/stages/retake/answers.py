"""What carriers say of messages they may have: asked, or too late."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.carriers.contract import Queryable
from pipeline.runtime import Runtime
from pipeline.store import carriers, doubts, parts
from pipeline.store.parts import Whole
from schema.carriage import Attempt
from schema.vocabulary import Outcome


def ask(rt: Runtime, name: str, messages: Sequence[UUID]) -> int:
    """Ask a carrier about messages, and keep what it says for `retake`; return how many it knows something of."""
    with rt.glance() as conn:
        row = next((row for row in carriers.all_of(conn) if row.name == name), None)
        known = doubts.asked(conn, name, messages) if row else []
    if row is None or not known:
        return 0
    carrier = rt.carrier(row.name, row.kind, row.settings)
    if not isinstance(carrier, Queryable):
        return 0
    told = carrier.ask([parcel for parcel, _ in known], [ref for _, ref in known])
    return len(note(rt, name, told))


def note(rt: Runtime, name: str, told: Sequence[Attempt]) -> set[UUID]:
    """Keep what a carrier says, asked or too late, of messages it may have; return those that were in doubt."""
    clear = {each.ref: each for each in told if each.outcome is not Outcome.UNKNOWN}
    with rt.begin() as conn:
        noted = doubts.answer(conn, name, list(clear.values()))
        parts.write(conn, [Whole(name, ref, n, clear[ref].parts) for ref, n in noted.items()])
    return set(noted)
