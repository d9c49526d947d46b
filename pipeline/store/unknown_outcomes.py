"""Attempts with an unknown outcome in provider_attempts: those due for a check, and their late outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from schema.carriage import Attempt, Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, Outcome


@dataclass(frozen=True, slots=True)
class UnknownAttempt:
    """An attempt with an unknown outcome."""

    message: UUID
    n: int
    carrier: str
    message_class: MessageClass
    #: reported later by a worker that had lost its claim, or by the carrier on a query; None: nothing
    late: Outcome | None
    #: the number of checks so far
    checks: int
    #: seconds since this carrier may first have got the message, and since its latest attempt there
    age: float
    rest: float
    #: the number of repeated attempts at this carrier
    repeats: int
    #: seconds until the message expires
    left: float
    #: the message has a final status, or is a test message
    is_over: bool
    #: another carrier accepted it, or was tried later with an outcome other than a temporary refusal
    is_overtaken: bool
    #: another carrier has an unknown attempt of it
    is_shared: bool
    #: a carrier accepted it before and could not deliver it
    was_undelivered: bool


#: messages being resent are checked afterwards. A carrier that could not deliver a message no longer has it: attempts
#: before the last resend for that reason (`lost.n`) do not count
_DUE = """
SELECT a.message_id, a.n, a.carrier, b.class AS message_class, a.late_outcome, a.checks,
       extract(epoch FROM now() - there.since)::float8 AS age, extract(epoch FROM now() - there.latest)::float8 AS rest,
       there.times - 1 AS repeats, extract(epoch FROM b.valid_until - now())::float8 AS seconds_left,
       m.status IS DISTINCT FROM 'sent' OR b.test AS is_over,
       EXISTS (SELECT FROM provider_attempts AS e WHERE e.message_id = a.message_id AND e.n <> a.n AND e.n >= lost.n
               AND ('accepted' IN (e.outcome, e.late_outcome)
                    OR e.n > a.n AND e.outcome IN ('unknown', 'refused_permanent'))) AS is_overtaken,
       EXISTS (SELECT FROM provider_attempts AS e WHERE e.message_id = a.message_id AND e.n <> a.n AND e.n >= lost.n
               AND e.outcome = 'unknown' AND coalesce(e.late_outcome, 'unknown') = 'unknown') AS is_shared,
       lost.n > 0 AS was_undelivered
FROM provider_attempts AS a
JOIN messages AS m ON m.id = a.message_id
JOIN batches AS b ON b.id = a.batch_id
JOIN batches AS holder ON holder.id = m.batch_id AND (holder.resend_reason IS NULL OR holder.status = 'done')
CROSS JOIN LATERAL (
    SELECT min(marked_at) FILTER (WHERE outcome = 'unknown') AS since, max(marked_at) AS latest, count(*) AS times
    FROM provider_attempts AS e WHERE e.message_id = a.message_id AND e.carrier = a.carrier
) AS there
CROSS JOIN LATERAL (
    SELECT coalesce(max(e.n), 0) AS n FROM provider_attempts AS e JOIN batches AS made ON made.id = e.batch_id
    WHERE e.message_id = a.message_id AND made.resend_reason = 'undelivered'
) AS lost
WHERE a.outcome = 'unknown' AND a.resolved_at IS NULL AND coalesce(a.check_at, a.marked_at) <= now()
ORDER BY coalesce(a.check_at, a.marked_at) LIMIT %(limit)s FOR UPDATE OF a SKIP LOCKED
"""


def due(conn: Connection, limit: int) -> list[UnknownAttempt]:
    """Return and lock unknown attempts that are due for a check, the longest due first."""
    return [
        UnknownAttempt(
            message=row.message_id,
            n=row.n,
            carrier=row.carrier,
            message_class=MessageClass(row.message_class),
            late=row.late_outcome and Outcome(row.late_outcome),
            checks=row.checks,
            age=row.age,
            rest=row.rest,
            repeats=row.repeats,
            left=row.seconds_left,
            is_over=row.is_over,
            is_overtaken=row.is_overtaken,
            is_shared=row.is_shared,
            was_undelivered=row.was_undelivered,
        )
        for row in conn.exec_driver_sql(_DUE, {"limit": limit})
    ]


_PUT_OFF = """
UPDATE provider_attempts AS a SET check_at = now() + d.seconds * interval '1 second', checks = least(checks + 1, 1000)
FROM unnest(%(messages)b::uuid[], %(n)b::int2[], %(seconds)b::float8[]) AS d (message_id, n, seconds)
WHERE a.message_id = d.message_id AND a.n = d.n
"""
_RESOLVE = """
UPDATE provider_attempts AS a SET resolved_at = now()
FROM unnest(%(messages)b::uuid[], %(n)b::int2[]) AS d (message_id, n)
WHERE a.message_id = d.message_id AND a.n = d.n
"""
_GIVE_UP = """
UPDATE provider_attempts SET resolved_at = now()
WHERE message_id = ANY(%(ids)b) AND outcome = 'unknown' AND resolved_at IS NULL
"""


def postpone(conn: Connection, unknown: Sequence[UnknownAttempt], seconds: Sequence[float]) -> None:
    """Postpone the next check of each attempt by its number of seconds."""
    if unknown:
        conn.exec_driver_sql(_PUT_OFF, _places(unknown) | {"seconds": list(seconds)})


def resolve(conn: Connection, unknown: Sequence[UnknownAttempt]) -> None:
    """Mark attempts as resolved: settled, or nothing more to do."""
    if unknown:
        conn.exec_driver_sql(_RESOLVE, _places(unknown))


def give_up(conn: Connection, messages: Sequence[UUID]) -> None:
    """Mark all unknown attempts of these messages as resolved."""
    if messages:
        conn.exec_driver_sql(_GIVE_UP, {"ids": list(messages)})


def _places(unknown: Sequence[UnknownAttempt]) -> dict[str, Any]:
    return {"messages": [each.message for each in unknown], "n": [each.n for each in unknown]}


# Status queries to carriers ------------------------------------------------------------------------------------

_ASKED = """
SELECT a.message_id, m.phone, m.sender, m.body, m.encoding, m.segments, b.class AS message_class, b.valid_until,
       m.country, a.carrier_ref
FROM (SELECT DISTINCT ON (message_id) * FROM provider_attempts
      WHERE message_id = ANY(%(ids)b) AND carrier = %(carrier)s AND outcome = 'unknown' AND resolved_at IS NULL
      ORDER BY message_id, n DESC) AS a
JOIN messages AS m ON m.id = a.message_id JOIN batches AS b ON b.id = a.batch_id
"""


def to_query(conn: Connection, carrier: str, messages: Sequence[UUID]) -> list[tuple[Parcel, str | None]]:
    """Return messages with an unknown attempt at that carrier, as they were sent, each with its carrier_ref if any."""
    rows = conn.exec_driver_sql(_ASKED, {"ids": list(messages), "carrier": carrier})
    return [(_parcel(row), row.carrier_ref) for row in rows]


def _parcel(row: Row[Any]) -> Parcel:
    return Parcel(
        ref=row.message_id,
        to=row.phone,
        sender=row.sender,
        body=row.body,
        encoding=Encoding(row.encoding),
        segments=row.segments,
        message_class=MessageClass(row.message_class),
        valid_until=row.valid_until,
        country=row.country,
    )


#: of several attempts at one carrier the last is meant; one resolved without an answer is checked once more
_ANSWER = """
UPDATE provider_attempts AS a
SET late_outcome = w.outcome, late_at = now(), check_at = NULL, resolved_at = NULL,
    carrier_ref = coalesce(a.carrier_ref, w.carrier_ref)
FROM (
    SELECT DISTINCT ON (e.message_id) e.message_id, e.n, w.outcome, w.carrier_ref
    FROM unnest(%(messages)b::uuid[], %(outcomes)b::text[], %(refs)b::text[]) AS w (message_id, outcome, carrier_ref)
    JOIN provider_attempts AS e ON e.message_id = w.message_id AND e.carrier = %(carrier)s AND e.outcome = 'unknown'
    ORDER BY e.message_id, e.n DESC
) AS w
WHERE a.message_id = w.message_id AND a.n = w.n AND coalesce(a.late_outcome, 'unknown') = 'unknown'
RETURNING a.message_id, a.n
"""


def store_answers(conn: Connection, carrier: str, answers: Sequence[Attempt]) -> dict[UUID, int]:
    """Store a carrier's answers on unknown attempts; return message → the number of the attempt that was updated."""
    if not answers:
        return {}
    params = {
        "carrier": carrier,
        "messages": [each.ref for each in answers],
        "outcomes": [str(each.outcome) for each in answers],
        "refs": [each.carrier_ref for each in answers],
    }
    return dict(conn.exec_driver_sql(_ANSWER, params).all())
