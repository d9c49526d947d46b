"""The batches table: written, paid, scheduled, promoted, queued and hinted; sweeping of stale hints.

Claims, leases and fences of batches are in `leases`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.store.bulk_copy import copy
from pipeline.store.messages import Span
from schema.message import Batch, Hint
from schema.message_class import MessageClass
from schema.vocabulary import BatchStatus

_COLUMNS = {
    "id": "uuid",
    "account_id": "int4",
    "class": "text",
    "carrier": "text",
    "test": "bool",
    "status": "text",
    "due_at": "timestamptz",
    "valid_until": "timestamptz",
    "size": "int4",
    "first_id": "uuid",
    "last_id": "uuid",
    "send_at": "timestamptz",
    "attempt": "int2",
    "round": "int2",
    "tried": "text[]",
    "routing_snapshot_id": "int4",
    "resend_reason": "text",
    "held": "text",
    "campaign_id": "uuid",
    "hinted_at": "timestamptz",
    "queued_at": "timestamptz",
}


def write(conn: Connection, batches: Iterable[Batch], hinted_at: datetime) -> None:
    """Insert batches by COPY; `hinted_at` is now, as their hints are published right after the commit."""
    copy(
        conn,
        "batches",
        _COLUMNS,
        (
            (
                batch.id,
                batch.account,
                str(batch.message_class),
                batch.carrier,
                batch.test,
                str(batch.status),
                batch.due_at,
                batch.valid_until,
                batch.size,
                batch.first,
                batch.last,
                batch.send_at,
                batch.attempt,
                batch.round,
                list(batch.tried),
                batch.snapshot,
                batch.resend_reason and str(batch.resend_reason),
                batch.held and str(batch.held),
                batch.campaign,
                hinted_at,
                hinted_at if batch.status is BatchStatus.QUEUED else None,
            )
            for batch in batches
        ),
    )


_CLOCK = "SELECT now()"


def clock(conn: Connection) -> datetime:
    """Return the database's time: due, hint and expiry times that it compares must be written by the same clock."""
    at: datetime = conn.exec_driver_sql(_CLOCK).scalar_one()
    return at


_SNAPSHOTS = "SELECT id, routing_snapshot_id FROM batches WHERE id = ANY(%(ids)b)"


def snapshots(conn: Connection, these: Collection[UUID]) -> dict[UUID, int | None]:
    """Return batch → the id of the routing snapshot that its carrier was chosen by."""
    return dict(conn.exec_driver_sql(_SNAPSHOTS, {"ids": list(these)}).all())


# Segmenting and billing ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unpaid:
    """An admitted batch, as segment and bill need it."""

    span: Span
    account: int
    message_class: MessageClass
    test: bool
    size: int
    #: it was hinted again: its previous worker may have crashed on it
    was_tried: bool
    #: whether its account's events are written
    subscribes: bool
    #: the database's time
    clock: datetime


_UNPAID = """
SELECT b.id, first_id, last_id, account_id, class, test, size, hints > 0 AS was_tried, subscribes, now() AS clock
FROM batches AS b JOIN accounts AS a ON a.id = account_id
WHERE b.id = %(batch)s AND status = 'admitted'
"""


def unpaid(conn: Connection, batch: UUID, *, lock: bool = False) -> Unpaid | None:
    """Return an admitted batch, locked if so asked; None when it is not admitted any more."""
    row = conn.exec_driver_sql(_UNPAID + (" FOR UPDATE OF b" if lock else ""), {"batch": batch}).first()
    if row is None:
        return None
    id_, first, last, account, class_, test, size, was_tried, subscribes, clock = row
    return Unpaid(Span(id_, first, last), account, MessageClass(class_), test, size, was_tried, subscribes, clock)


_TRY = "UPDATE batches SET claims = claims + 1 WHERE id = %(batch)s AND status = 'admitted'"
_UNCOUNT_TRY = "UPDATE batches SET claims = claims - 1 WHERE id = %(batch)s AND status = 'admitted' AND claims > 0"


def count_try(conn: Connection, batch: UUID) -> None:
    """Count a try at an admitted batch: before it starts, so that a crash leaves it counted, or after it failed."""
    conn.exec_driver_sql(_TRY, {"batch": batch})


def uncount_try(conn: Connection, batch: UUID) -> None:
    """Take back the last counted try at an admitted batch."""
    conn.exec_driver_sql(_UNCOUNT_TRY, {"batch": batch})


def hints(rows: Iterable[Row[Any]]) -> list[Hint]:
    """Return the hints of rows with id, message_class, carrier and size."""
    return [Hint(row.id, MessageClass(row.message_class), row.carrier, row.size) for row in rows]


_PAID = """
UPDATE batches
SET status = CASE WHEN due_at > now() THEN 'scheduled' ELSE 'queued' END,
    queued_at = CASE WHEN due_at > now() THEN NULL ELSE now() END,
    claims = 0, hints = 0, hinted_at = now()
WHERE id = %(batch)s AND status = 'admitted'
RETURNING status = 'queued' AS is_queued, id, class AS message_class, carrier, size
"""


def paid(conn: Connection, batch: UUID) -> list[Hint]:
    """Schedule or queue a paid batch; return its hint if it is queued."""
    return hints(row for row in conn.exec_driver_sql(_PAID, {"batch": batch}) if row.is_queued)


_PROMOTE = """
WITH due AS MATERIALIZED (
    SELECT id, status = 'scheduled' AS is_new FROM batches
    WHERE status IN ('scheduled', 'waiting') AND held IS NULL AND due_at <= now()
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE batches AS b SET status = 'queued', queued_at = now(), hints = 0, hinted_at = now()
FROM due, accounts AS a WHERE b.id = due.id AND a.id = b.account_id
RETURNING b.id, class AS message_class, carrier, size, first_id, last_id, subscribes AND is_new AS has_event
"""


def promote(conn: Connection, limit: int) -> tuple[list[Hint], list[Span]]:
    """Queue up to `limit` batches that are due by the database's clock.

    Return their hints, and the spans of those that leave `scheduled` and whose accounts have events enabled.
    """
    rows = conn.exec_driver_sql(_PROMOTE, {"limit": limit}).all()
    return hints(rows), [Span(row.id, row.first_id, row.last_id) for row in rows if row.has_event]


# Sweeping ------------------------------------------------------------------------------------------------------

#: materialized: a join that reads it again would lock further rows beyond the limit
_STALE = """
WITH stale AS MATERIALIZED (
    SELECT id FROM batches
    WHERE status = '{status}' AND held IS NULL
      AND hinted_at < now() - %(stale)s * interval '1 second' * power(2, least(hints, 6))
    ORDER BY hinted_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE batches SET hints = hints + 1, hinted_at = now() WHERE id IN (SELECT id FROM stale)
RETURNING id, class AS message_class, carrier, size
"""


def stale(conn: Connection, status: BatchStatus, seconds: float, limit: int) -> list[Hint]:
    """Return hints of batches unclaimed for `seconds` since their last hint; each repetition doubles the time."""
    # as a parameter the status would hide the partial index from the planner once it makes a generic plan
    return hints(conn.exec_driver_sql(_STALE.format(status=status), {"stale": seconds, "limit": limit}))


_PARK_ADMITTED = """
WITH failing AS MATERIALIZED (
    SELECT id FROM batches WHERE status = 'admitted' AND held IS NULL AND claims >= %(claims)s
    ORDER BY hinted_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE batches SET status = 'done', done_at = %(at)s WHERE id IN (SELECT id FROM failing)
RETURNING id, first_id, last_id
"""


def park_admitted(conn: Connection, claims: int, limit: int, at: datetime) -> list[Span]:
    """Close admitted batches that have failed to be segmented `claims` times; return their spans."""
    return [Span(*row) for row in conn.exec_driver_sql(_PARK_ADMITTED, {"claims": claims, "limit": limit, "at": at})]


# Cancelling ----------------------------------------------------------------------------------------------------

_LOCK_SCHEDULED = """
SELECT id FROM batches
WHERE id = ANY(%(ids)b) AND status IN ('admitted', 'scheduled') AND (due_at > clock_timestamp() OR held IS NOT NULL)
ORDER BY id FOR UPDATE
"""


def lock_scheduled(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Lock those of the batches that are not due yet, or are held since before they were; return their ids.

    Neither bill nor promote takes them before the transaction ends.
    """
    return {id_ for (id_,) in conn.exec_driver_sql(_LOCK_SCHEDULED, {"ids": sorted(ids)})}
