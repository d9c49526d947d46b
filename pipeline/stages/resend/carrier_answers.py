"""Carriers' answers about messages with an unknown outcome: results of status queries (query_sm) and late responses."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.carriers.contract import QueryableCarrier
from pipeline.runtime import Runtime
from pipeline.store import carriers, message_parts, unknown_outcomes
from pipeline.store.message_parts import MultipartAttempt
from schema.carriage import Attempt
from schema.vocabulary import Outcome


def query_carrier(rt: Runtime, name: str, messages: Sequence[UUID]) -> int:
    """Query a carrier for the status of messages; store its answers for the resend, and return how many there are."""
    with rt.read_only() as conn:
        row = next((row for row in carriers.all_of(conn) if row.name == name), None)
        known = unknown_outcomes.to_query(conn, name, messages) if row else []
    if row is None or not known:
        return 0
    carrier = rt.carrier(row.name, row.kind, row.settings)
    if not isinstance(carrier, QueryableCarrier):
        return 0
    reported = carrier.query([parcel for parcel, _ in known], [ref for _, ref in known])
    return len(store_answers(rt, name, reported))


def store_answers(rt: Runtime, name: str, reported: Sequence[Attempt]) -> set[UUID]:
    """Store a carrier's answers about messages, queried or late; return the messages whose outcome was unknown."""
    clear = {each.ref: each for each in reported if each.outcome is not Outcome.UNKNOWN}
    with rt.begin() as conn:
        noted = unknown_outcomes.store_answers(conn, name, list(clear.values()))
        message_parts.write(conn, [MultipartAttempt(name, ref, n, clear[ref].parts) for ref, n in noted.items()])
    return set(noted)
