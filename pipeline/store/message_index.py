"""The index of messages by keyed hashes of number and correlation id: filled in portions, and read page by page.

A request is appended to `unindexed_requests` in the statement that writes it, so that its messages cannot be missed,
however late their transaction commits. A portion is taken from there and its entries are written in one transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import Any
from uuid import UUID

from psycopg import Connection as Psycopg
from sqlalchemy import Connection

from pipeline.rules.identity import ids
from pipeline.store import partitions
from pipeline.store.bulk_copy import copy_block
from schema.campaign import Campaign

#: what the key is encrypted for
PURPOSE = "search_key"

# The key ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchKey:
    """The key of the hashes, and which messages have entries."""

    sealed: bytes
    #: messages of before the key existed have entries from this id on; None: all have
    history: UUID | None
    #: messages that were committed before this time have entries; None: not known yet
    complete_until: datetime | None


_KEY = "SELECT sealed, history, complete_until FROM search_keys ORDER BY id DESC LIMIT 1"


def key(conn: Connection) -> SearchKey | None:
    """Return the search key; None: there is none yet."""
    row = conn.exec_driver_sql(_KEY).first()
    return SearchKey(bytes(row.sealed), row.history, row.complete_until) if row else None


def complete_from(key: SearchKey, now: datetime) -> datetime | None:
    """Return from which time on messages have entries; None: all have."""
    if key.history is None:
        return None
    return ids.moment(key.history) if key.history < ids.lowest(now) else now


#: greater than any message id
_END = UUID(int=(1 << 128) - 1)


def add_key(conn: Connection, sealed: bytes) -> None:
    """Store the search key; no message has entries yet."""
    conn.exec_driver_sql(
        "INSERT INTO search_keys (sealed, history) VALUES (%(sealed)b, %(end)s)", {"sealed": sealed, "end": _END}
    )


def forget(conn: Connection) -> None:
    """Delete the search key and all entries."""
    conn.exec_driver_sql("TRUNCATE message_numbers, message_correlations")
    conn.exec_driver_sql("DELETE FROM search_keys")


# Filling ---------------------------------------------------------------------------------------------------------

#: all that are read are committed: others are not visible yet. Calls are serialised by an advisory lock
_TAKE = """
DELETE FROM unindexed_requests WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM (
        SELECT ctid, sum(recipients) OVER (ROWS UNBOUNDED PRECEDING) - recipients AS before
        FROM (SELECT ctid, recipients FROM unindexed_requests LIMIT %(messages)s) AS first
    ) AS counted WHERE before < %(messages)s
)) RETURNING request_id, first_message, recipients
"""

#: a request, its first message and its last
Span = tuple[UUID, UUID, UUID]


def take(conn: Connection, messages: int) -> tuple[list[Span], bool]:
    """Delete the next requests without entries, of about that many messages; return them, and whether these were all.

    There are further requests only if they were committed since, or this many messages were reached.
    """
    rows = conn.exec_driver_sql(_TAKE, {"messages": messages}).all()
    spans = [(request, first, ids.after(first, count - 1)) for request, first, count in rows]
    return spans, len(rows) < messages and sum(row.recipients for row in rows) < messages


@dataclass(frozen=True, slots=True)
class Unindexed:
    """Messages of one account without entries, column by column."""

    account: int
    #: in 16 bytes each
    ids: list[bytes]
    phones: list[str]
    correlation_ids: list[str | None]


# in columns: rows would cost twice the CPU time here, and in Python. A request is of one account
_COLUMNS_OF = "min(account_id), string_agg(uuid_send(id), ''), array_agg(phone), array_agg(correlation_id)"
_OF_REQUESTS = f"""
SELECT m.* FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS_OF} FROM messages
    WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id HAVING count(*) > 0
) AS m
"""
_EARLIER = f"""
SELECT {_COLUMNS_OF} FROM (
    SELECT id, account_id, phone, correlation_id FROM messages WHERE id < %(before)s ORDER BY id DESC LIMIT %(limit)s
) AS m GROUP BY account_id
"""


def messages_of(conn: Connection, spans: Sequence[Span]) -> list[Unindexed]:
    """Return the messages of requests."""
    if not spans:
        return []
    requests, firsts, lasts = map(list, zip(*spans, strict=True))
    return _unindexed(conn, _OF_REQUESTS, {"requests": requests, "firsts": firsts, "lasts": lasts})


def earlier(conn: Connection, before: UUID, limit: int) -> list[Unindexed]:
    """Return the latest `limit` messages with ids below that one."""
    return _unindexed(conn, _EARLIER, {"before": before, "limit": limit})


def _unindexed(conn: Connection, query: str, params: dict[str, Any]) -> list[Unindexed]:
    driver = conn.connection.driver_connection
    assert isinstance(driver, Psycopg)
    with driver.cursor(binary=True) as cursor:
        rows = cursor.execute(query, params).fetchall()
    return [
        Unindexed(account, [ids[place : place + 16] for place in range(0, len(ids), 16)], phones, correlation_ids)
        for account, ids, phones, correlation_ids in rows
    ]


#: a row in the format of binary COPY: the number of its fields, each with its length
_ROW = Struct(">hi8si16s")


def write_numbers(conn: Connection, entries: Iterable[bytes]) -> None:
    """Write entries of numbers: a hash (8 bytes) and a message's id (16) each."""
    _write(conn, "message_numbers", entries)


def write_correlations(conn: Connection, entries: Iterable[bytes]) -> None:
    """Write entries of correlation ids, as `write_numbers` does."""
    _write(conn, "message_correlations", entries)


def _write(conn: Connection, table: str, entries: Iterable[bytes]) -> None:
    """Write entries by hash: in that order the index takes a third less CPU time."""
    by_hash = sorted(entries)
    if by_hash:
        rows = b"".join([_ROW.pack(2, 8, each[:8], 16, each[8:]) for each in by_hash])
        copy_block(conn, _partition(conn, table, [each[8:] for each in by_hash]), ("hash", "message_id"), rows)


def _partition(conn: Connection, table: str, messages: Sequence[bytes]) -> str:
    """Return the partition of all these messages, which takes a sixth less CPU time than its table; else the table."""
    first, last = (ids.month(UUID(bytes=of)) for of in (min(messages), max(messages)))
    return partitions.of_month(conn, table, first) or table if first == last else table


_COMPLETE = "UPDATE search_keys SET complete_until = greatest(complete_until, now())"


def note_complete(conn: Connection) -> None:
    """Note that what was committed before this transaction began has entries."""
    conn.exec_driver_sql(_COMPLETE)


def note_history(conn: Connection, from_id: UUID | None) -> None:
    """Note that messages of before the key have entries from this id on; None: all have."""
    conn.exec_driver_sql("UPDATE search_keys SET history = %(id)s", {"id": from_id})


# Searching -------------------------------------------------------------------------------------------------------

# an entry may be there twice: from a request, and from what was there before the key
_FIND = """
SELECT DISTINCT message_id FROM unnest(%(hashes)b::int8[]) AS h (hash)
CROSS JOIN LATERAL (
    SELECT DISTINCT message_id FROM {table}
    WHERE hash = h.hash AND message_id >= %(lowest)s AND message_id < %(before)s
    ORDER BY message_id DESC LIMIT %(limit)s
) AS found
ORDER BY message_id DESC LIMIT %(limit)s
"""
_BY_NUMBER, _BY_CORRELATION = _FIND.format(table="message_numbers"), _FIND.format(table="message_correlations")


def by_number(conn: Connection, hashes: Sequence[int], lowest: UUID, before: UUID, limit: int) -> list[UUID]:
    """Return up to `limit` messages with one of these hashes of numbers, from `lowest` to `before`, latest first.

    A message may have another number with the same hash, or not exist any more.
    """
    return _find(conn, _BY_NUMBER, hashes, lowest, before, limit)


def by_correlation(conn: Connection, hashes: Sequence[int], lowest: UUID, before: UUID, limit: int) -> list[UUID]:
    """Return messages with one of these hashes of correlation ids, as `by_number` does."""
    return _find(conn, _BY_CORRELATION, hashes, lowest, before, limit)


def _find(conn: Connection, query: str, hashes: Sequence[int], lowest: UUID, before: UUID, limit: int) -> list[UUID]:
    params = {"hashes": list(hashes), "lowest": lowest, "before": before, "limit": limit}
    return list(conn.exec_driver_sql(query, params).scalars())


# the numbers tell apart what has the same hash
RECIPIENTS_SINCE = """
SELECT DISTINCT s.phone FROM unnest(%(hashes)b::int8[], %(phones)b::text[]) AS s (hash, phone)
CROSS JOIN LATERAL (
    SELECT message_id FROM message_numbers WHERE message_numbers.hash = s.hash AND message_id >= %(lowest)s OFFSET 0
) AS i
CROSS JOIN LATERAL (
    SELECT batch_id FROM messages
    WHERE id = i.message_id AND account_id = %(account)s AND phone = s.phone
      AND coalesce(status, '') NOT IN ('rejected', 'cancelled') OFFSET 0
) AS m
CROSS JOIN LATERAL (
    SELECT FROM batches WHERE id = m.batch_id AND NOT test AND campaign_id IS DISTINCT FROM %(campaign)s OFFSET 0
) AS b
"""


def recipients_since(
    conn: Connection, campaign: Campaign, hashes: Sequence[int], phones: Sequence[str], since: datetime
) -> set[str]:
    """Return those of these numbers, whose hashes are given too, that got a message of a campaign's account since then.

    The campaign's own do not count, nor tests, nor what was rejected or cancelled before a carrier had it.
    """
    params = {
        "account": campaign.account_id,
        "campaign": campaign.id,
        "hashes": list(hashes),
        "phones": list(phones),
        "lowest": ids.lowest(since),
    }
    return set(conn.exec_driver_sql(RECIPIENTS_SINCE, params).scalars())
