"""What carriers say of messages they may have: asked, or too late."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.carriers.contract import QueryableCarrier
from pipeline.runtime import Runtime
from pipeline.store import carriers, parts, unknown_outcomes
from pipeline.store.parts import MultipartAttempt
from schema.carriage import Attempt
from schema.vocabulary import Outcome


def ask(rt: Runtime, name: str, messages: Sequence[UUID]) -> int:
    """Ask a carrier about messages, and keep what it says for `retake`; return how many it knows something of."""
    with rt.read_only() as conn:
        row = next((row for row in carriers.all_of(conn) if row.name == name), None)
        known = unknown_outcomes.asked(conn, name, messages) if row else []
    if row is None or not known:
        return 0
    carrier = rt.carrier(row.name, row.kind, row.settings)
    if not isinstance(carrier, QueryableCarrier):
        return 0
    reported = carrier.ask([parcel for parcel, _ in known], [ref for _, ref in known])
    return len(note(rt, name, reported))


def note(rt: Runtime, name: str, reported: Sequence[Attempt]) -> set[UUID]:
    """Keep what a carrier says, asked or too late, of messages it may have; return those that were in doubt."""
    clear = {each.ref: each for each in reported if each.outcome is not Outcome.UNKNOWN}
    with rt.begin() as conn:
        noted = unknown_outcomes.answer(conn, name, list(clear.values()))
        parts.write(conn, [MultipartAttempt(name, ref, n, clear[ref].parts) for ref, n in noted.items()])
    return set(noted)
