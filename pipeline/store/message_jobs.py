"""Message jobs: created with all their messages, worked off in portions, listed, and deleted some time after.

A portion is taken under the lock of the job's row, and its results are written in the transaction that has them happen.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.identity import ids
from schema.message_job import MessageJob, MessageJobItem
from schema.vocabulary import MessageJobResult, MessageJobState, MessageOperation

# Creation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewMessageJob:
    """A message job to be written."""

    id: UUID
    account: int
    operation: MessageOperation
    #: what was searched; a number masked
    search: Mapping[str, str]
    #: messages that are left out, by reason
    left_out: Mapping[MessageJobResult, int]
    messages: Sequence[UUID]
    created_by: str


_INSERT = """
INSERT INTO message_jobs (id, account_id, operation, search, left_out, size, created_at, created_by)
VALUES (%(id)s, %(account)s, %(operation)s, %(search)s, %(left_out)s, %(size)s, %(now)s, %(created_by)s)
ON CONFLICT (id) DO NOTHING
"""
_ITEMS = """
INSERT INTO message_job_items (job_id, place, message_id)
SELECT %(id)s, place, message_id FROM unnest(%(messages)b::uuid[]) WITH ORDINALITY AS m (message_id, place)
"""


def create(conn: Connection, job: NewMessageJob, now: datetime) -> bool:
    """Write a job with its messages; return False when there is one of this id already."""
    params = {
        "id": job.id,
        "account": job.account,
        "operation": str(job.operation),
        "search": json.dumps(dict(job.search)),
        "left_out": json.dumps(dict(job.left_out)),
        "size": len(job.messages),
        "now": now,
        "created_by": job.created_by,
    }
    if not conn.exec_driver_sql(_INSERT, params).rowcount:
        return False
    conn.exec_driver_sql(_ITEMS, {"id": job.id, "messages": sorted(job.messages)})
    return True


# Work ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobPortion:
    """The next messages of a job, whose row is locked."""

    job: UUID
    account: int
    #: items up to this place have a result
    done: int
    messages: list[UUID]


_TAKE = """
SELECT id, account_id, done FROM message_jobs WHERE state = 'running' AND operation = %(operation)s
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_NEXT = """
SELECT message_id FROM message_job_items WHERE job_id = %(job)s AND place > %(done)s ORDER BY place LIMIT %(limit)s
"""


def take(conn: Connection, operation: MessageOperation, limit: int) -> JobPortion | None:
    """Lock the first running job that nobody works on and return its next messages; None: there is none."""
    row = conn.exec_driver_sql(_TAKE, {"operation": str(operation)}).first()
    if row is None:
        return None
    rows = conn.exec_driver_sql(_NEXT, {"job": row.id, "done": row.done, "limit": limit})
    return JobPortion(row.id, row.account_id, row.done, [message for (message,) in rows])


_RESULTS = """
UPDATE message_job_items AS i SET result = r.result
FROM unnest(%(messages)b::uuid[], %(results)b::text[]) WITH ORDINALITY AS r (message_id, result, place)
WHERE i.job_id = %(job)s AND i.place = %(done)s + r.place AND i.message_id = r.message_id
"""
_ADVANCE = """
UPDATE message_jobs SET done = done + %(count)s,
    state = CASE WHEN done + %(count)s >= size THEN 'done' ELSE state END,
    finished_at = CASE WHEN done + %(count)s >= size THEN %(now)s ELSE finished_at END
WHERE id = %(job)s
"""


def record(conn: Connection, portion: JobPortion, results: Mapping[UUID, MessageJobResult], now: datetime) -> None:
    """Write the result of each message of a portion, and that the job is so far."""
    words = [str(results[each]) for each in portion.messages]
    place = {"job": portion.job, "done": portion.done}
    conn.exec_driver_sql(_RESULTS, {**place, "messages": portion.messages, "results": words})
    conn.exec_driver_sql(_ADVANCE, {"job": portion.job, "count": len(words), "now": now})


# Reading -------------------------------------------------------------------------------------------------------

_COLUMNS = """
SELECT j.id, a.name AS account, j.operation, j.state, j.search, j.left_out, j.size, j.done, j.created_at, j.finished_at,
       j.created_by
FROM message_jobs AS j JOIN accounts AS a ON a.id = j.account_id
"""
_ONE = f"{_COLUMNS}WHERE j.id = %(id)s AND (a.name = %(account)s OR %(account)s::text IS NULL)"
_LISTED = f"{_COLUMNS}WHERE j.id < %(before)s{{account}} ORDER BY j.id DESC LIMIT %(limit)s"
_OF_ACCOUNT = " AND j.account_id = (SELECT id FROM accounts WHERE name = %(account)s)"
#: greater than any id
_END = UUID(int=(1 << 128) - 1)


def one(conn: Connection, id_: UUID, account: str | None) -> MessageJob | None:
    """Return a job of an account (None: of any); None: there is none."""
    row = conn.exec_driver_sql(_ONE, {"id": id_, "account": account}).first()
    return _job(row) if row else None


def listing(conn: Connection, account: str | None, before: UUID | None, limit: int) -> list[MessageJob]:
    """Return up to `limit` jobs of an account (None: of any) before that id (None: the latest), the latest first."""
    query = _LISTED.format(account=_OF_ACCOUNT if account else "")
    params: dict[str, Any] = {"before": before or _END, "limit": limit} | ({"account": account} if account else {})
    return [_job(row) for row in conn.exec_driver_sql(query, params)]


def _job(row: Row[Any]) -> MessageJob:
    return MessageJob(
        id=row.id,
        account=row.account,
        operation=MessageOperation(row.operation),
        state=MessageJobState(row.state),
        search=row.search,
        left_out=row.left_out,
        size=row.size,
        done=row.done,
        created_at=row.created_at,
        finished_at=row.finished_at,
        created_by=row.created_by,
    )


_COUNTS = """
SELECT result, count(*) AS messages FROM message_job_items WHERE job_id = %(job)s AND result IS NOT NULL
GROUP BY result ORDER BY messages DESC, result
"""
# OFFSET 0: each is looked up, in its own partition
_PAGE = """
SELECT i.place, i.message_id, i.result, m.phone, coalesce(m.status, b.status) AS status
FROM (SELECT * FROM message_job_items WHERE job_id = %(job)s AND place > %(after)s ORDER BY place LIMIT %(limit)s) AS i
LEFT JOIN LATERAL (SELECT phone, status, batch_id FROM messages WHERE id = i.message_id OFFSET 0) AS m ON true
LEFT JOIN LATERAL (SELECT status FROM batches WHERE id = m.batch_id OFFSET 0) AS b ON true
ORDER BY i.place
"""


def counts(conn: Connection, job: UUID) -> dict[MessageJobResult, int]:
    """Return result → messages of a job, the most frequent first."""
    return {MessageJobResult(row.result): row.messages for row in conn.exec_driver_sql(_COUNTS, {"job": job})}


def items(conn: Connection, job: UUID, after: int, limit: int) -> list[MessageJobItem]:
    """Return up to `limit` messages of a job after a place, in order."""
    rows = conn.exec_driver_sql(_PAGE, {"job": job, "after": after, "limit": limit})
    return [
        MessageJobItem(row.place, row.message_id, row.result and MessageJobResult(row.result), row.phone, row.status)
        for row in rows
    ]


_PRUNE = "DELETE FROM message_jobs WHERE id < %(edge)s AND state = 'done'"


def prune(conn: Connection, before: datetime) -> int:
    """Delete jobs from before then that are done, with their items; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"edge": ids.lowest(before)}).rowcount
