"""Carriers that can be asked are asked what became of messages they may have."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.carriers.contract import Queryable
from pipeline.runtime import Runtime
from pipeline.store import carriers, sent
from schema.vocabulary import Outcome


def ask(rt: Runtime, name: str, messages: Sequence[UUID]) -> int:
    """Ask a carrier about messages, and keep what it says for `retake`; return how many it knows something of."""
    with rt.glance() as conn:
        row = next((row for row in carriers.all_of(conn) if row.name == name), None)
        known = sent.asked(conn, name, messages) if row else []
    if row is None or not known:
        return 0
    carrier = rt.carrier(row.name, row.kind, row.settings)
    if not isinstance(carrier, Queryable):
        return 0
    told = carrier.ask([parcel for parcel, _ in known], [ref for _, ref in known])
    clear = [(each.ref, each.outcome, each.carrier_ref) for each in told if each.outcome is not Outcome.UNKNOWN]
    with rt.begin() as conn:
        sent.answer(conn, name, clear)
    return len(clear)
