"""The provider_attempts table: one row per message and carrier tried, inserted with its outcome."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.batch_claims import Lost
from pipeline.store.bulk_copy import copy
from pipeline.store.metric_counters import counting
from schema.carriage import Attempt
from schema.value_class import value_class
from schema.vocabulary import Counter


@value_class
class Trial:
    """An attempt to be written: the number `n` of the message's attempt, its batch and the fence of the claim."""

    attempt: Attempt
    n: int
    carrier: str
    batch: UUID
    fence: int


_COLUMNS = {
    "message_id": "uuid",
    "n": "int2",
    "carrier": "text",
    "batch_id": "uuid",
    "fence": "int4",
    "outcome": "text",
    "carrier_ref": "text",
    "code": "text",
    "detail": "text",
    "marked_at": "timestamptz",
}


def write(conn: Connection, trials: Iterable[Trial], marked_at: datetime) -> None:
    """Insert attempts with outcomes by COPY; `marked_at` is the time of the commit before their bytes were sent."""
    rows = (
        (
            each.attempt.ref,
            each.n,
            each.carrier,
            each.batch,
            each.fence,
            str(each.attempt.outcome),
            each.attempt.carrier_ref,
            each.attempt.code,
            each.attempt.detail,
            marked_at,
        )
        for each in trials
    )
    copy(conn, "provider_attempts", _COLUMNS, rows)


_ARE_WRITTEN = """
SELECT EXISTS (
    SELECT FROM unnest(%(messages)b::uuid[], %(n)b::int2[], %(fences)b::int4[]) AS w (message_id, n, fence)
    JOIN provider_attempts AS a ON a.message_id = w.message_id AND a.n = w.n AND a.fence = w.fence
    WHERE a.code IS DISTINCT FROM 'worker_lost'
)
"""


def are_written(conn: Connection, trials: Sequence[Trial]) -> bool:
    """Return whether `write` has committed these already; it writes all of them in one transaction."""
    params = {
        "messages": [each.attempt.ref for each in trials],
        "n": [each.n for each in trials],
        "fences": [each.fence for each in trials],
    }
    return bool(conn.exec_driver_sql(_ARE_WRITTEN, params).scalar_one())


_WRITE_UNKNOWN = f"""
WITH written AS (
INSERT INTO provider_attempts (message_id, n, carrier, batch_id, fence, outcome, code, marked_at)
SELECT m.id, l.n, l.carrier, l.batch_id, l.fence, 'unknown', 'worker_lost', l.marked_at
FROM unnest(%(batches)b::uuid[], %(after)b::uuid[], %(upto)b::uuid[], %(n)b::int2[], %(carriers)b::text[],
            %(fences)b::int4[], %(marked_at)b::timestamptz[], %(resent)b::bool[])
     AS l (batch_id, after_id, upto_id, n, carrier, fence, marked_at, resent)
CROSS JOIN LATERAL (
    SELECT id FROM messages
    WHERE id > l.after_id AND id <= l.upto_id AND batch_id = l.batch_id
      AND (status IS NULL OR l.resent AND status = 'sent')
    ORDER BY id
) AS m
RETURNING message_id, carrier, outcome, code
), counted AS ({counting(Counter.ATTEMPTS, "carrier, outcome, code", "written")})
SELECT message_id FROM written
"""


def write_unknown(conn: Connection, lost: Sequence[Lost]) -> list[UUID]:
    """Insert an unknown attempt for each message that a lost worker may have sent; return the messages' ids."""
    marked = [each for each in lost if each.in_hand]
    if not marked:
        return []
    rows = conn.exec_driver_sql(
        _WRITE_UNKNOWN,
        {
            "batches": [each.span.batch for each in marked],
            "after": [each.recorded or UUID(int=each.span.first.int - 1) for each in marked],
            "upto": [each.marked for each in marked],
            "n": [each.attempt for each in marked],
            "carriers": [each.carrier for each in marked],
            "fences": [each.fence for each in marked],
            "marked_at": [each.marked_at for each in marked],
            "resent": [each.resend_reason is not None for each in marked],
        },
    )
    return [id_ for (id_,) in rows]


#: an outcome from the carrier stays unless the worker knows of an acceptance; as in `unknown_outcomes.store_answers`
_LATE = """
UPDATE provider_attempts AS a
SET late_outcome = l.outcome, late_at = now(), check_at = NULL, resolved_at = NULL,
    carrier_ref = coalesce(a.carrier_ref, l.carrier_ref)
FROM unnest(%(messages)b::uuid[], %(outcomes)b::text[], %(refs)b::text[], %(n)b::int2[], %(fences)b::int4[])
     AS l (message_id, outcome, carrier_ref, n, fence)
WHERE a.message_id = l.message_id AND a.n = l.n AND a.fence = l.fence
  AND (l.outcome = 'accepted' OR coalesce(a.late_outcome, 'unknown') = 'unknown')
"""


def keep_late(conn: Connection, trials: Sequence[Trial]) -> None:
    """Store outcomes from a worker that has lost its claim, as late outcomes of its unknown attempts."""
    if trials:
        params = {
            "messages": [each.attempt.ref for each in trials],
            "outcomes": [str(each.attempt.outcome) for each in trials],
            "refs": [each.attempt.carrier_ref for each in trials],
            "n": [each.n for each in trials],
            "fences": [each.fence for each in trials],
        }
        conn.exec_driver_sql(_LATE, params)


#: an accepted attempt resolves the message, unless that carrier could not deliver it and it was resent
_UNRESOLVED = """
SELECT m.id, lost.n > 0 FROM provider_attempts AS a JOIN messages AS m ON m.id = a.message_id
CROSS JOIN LATERAL (
    SELECT coalesce(max(e.n), 0) AS n FROM provider_attempts AS e JOIN batches AS made ON made.id = e.batch_id
    WHERE e.message_id = a.message_id AND made.resend_reason = 'undelivered'
) AS lost
WHERE a.outcome = 'unknown' AND m.status = 'sent'
  AND a.marked_at BETWEEN now() - (%(hours)s + 168) * interval '1 hour' AND now() - %(hours)s * interval '1 hour'
  AND NOT EXISTS (SELECT FROM provider_attempts AS e WHERE e.message_id = a.message_id AND e.n >= lost.n
                  AND 'accepted' IN (e.outcome, e.late_outcome))
ORDER BY a.marked_at LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED
"""


def unresolved(conn: Connection, hours: float, limit: int) -> dict[UUID, bool]:
    """Return sent messages with an unknown attempt that is unresolved after `hours` hours, and lock them.

    The value says whether a carrier had accepted the message before and could not deliver it.
    """
    return dict(conn.exec_driver_sql(_UNRESOLVED, {"hours": hours, "limit": limit}).all())
