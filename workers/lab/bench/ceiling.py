"""The bench part `ceiling`: PostgreSQL's limit, by writing the same rows again with set-based SQL and nothing else.

For each batch: request, batch and messages by COPY (one transaction); the charge, the ledger's hold, the wallet (one);
then for each portion of 200 the mark, the attempts by COPY, the messages' move and the ledger's capture (one each).
"""

import multiprocessing
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from pipeline.settings import Settings
from workers.lab.bench import cost
from workers.lab.bench.bench_processes import roots_of
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BenchSetup

_PORTION: int = Settings.model_fields["portion_size"].default

_REQUEST = ("id", "account_id", "class", "first_message", "recipients", "accepted", "refusals")
_BATCH = {
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
    "hinted_at": "timestamptz",
}
_MESSAGE = {
    "id": "uuid",
    "request_id": "uuid",
    "batch_id": "uuid",
    "account_id": "int4",
    "phone": "text",
    "country": "text",
    "sender": "text",
    "body": "text",
    "correlation_id": "text",
}
_ATTEMPT = {
    "message_id": "uuid",
    "n": "int2",
    "carrier": "text",
    "batch_id": "uuid",
    "fence": "int4",
    "outcome": "text",
    "carrier_ref": "text",
    "marked_at": "timestamptz",
}

_READ_BATCHES = """
SELECT id, account_id, class, carrier, test, 'admitted', due_at, valid_until, size, first_id, last_id, hinted_at
FROM batches WHERE status = 'done' AND class = 'bulk' ORDER BY id
"""
_READ_REQUESTS = """
SELECT id, account_id, class, first_message, recipients, accepted, refusals::text FROM requests
WHERE first_message BETWEEN %(first)s AND %(last)s
"""
_READ_MESSAGES = f"""
SELECT {", ".join(_MESSAGE)}, encoding, segments, amount FROM messages
WHERE id BETWEEN %(first)s AND %(last)s AND batch_id = %(batch)s ORDER BY id
"""
_READ_ATTEMPTS = f"""
SELECT {", ".join(_ATTEMPT)} FROM provider_attempts
WHERE message_id BETWEEN %(first)s AND %(last)s AND batch_id = %(batch)s ORDER BY message_id
"""

_CHARGE = """
UPDATE messages AS m
SET encoding = c.encoding, segments = c.segments, amount = c.amount, quota = 0, money = 'held'
FROM unnest(%b::uuid[], %b::text[], %b::int2[], %b::int8[]) AS c (id, encoding, segments, amount)
WHERE m.id = c.id AND m.id BETWEEN %b AND %b
"""
_ENTRY = """
INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book, batch_id) VALUES (%s, %s, 'EUR', %s, %s, %s, %s)
"""
_DEBIT = "UPDATE wallets SET balance = balance - %s WHERE account_id = %s"
_QUEUE = "UPDATE batches SET status = 'queued', queued_at = now(), hinted_at = now() WHERE id = %s"
_CLAIM = """
UPDATE batches SET status = 'sending', fence = fence + 1, claims = claims + 1,
                   lease_until = now() + interval '1 minute' WHERE id = %s
"""
_MARK = """
UPDATE batches SET recorded = marked, marked = %s, marked_at = clock_timestamp(), claims = 0,
                   lease_until = now() + interval '1 minute' WHERE id = %s
"""
_MOVE = """
UPDATE messages SET status = 'sent', sent_at = now(), money = 'captured' WHERE id = ANY(%b) AND id BETWEEN %b AND %b
"""
_FINISH = "UPDATE batches SET status = 'done', done_at = now(), lease_until = NULL WHERE id = %s"


_REQUEST_ROW = f"INSERT INTO requests ({', '.join(_REQUEST)}) VALUES ({', '.join(['%s'] * len(_REQUEST))})"

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class CeilingBatch:
    """One batch's rows as the `road` part wrote them."""

    batch: tuple[Any, ...]
    requests: Rows
    messages: Rows
    attempts: Rows


def measure(setup: BenchSetup, plan: BenchPlan) -> dict[str, Any]:
    """Write the batches of `road` again into empty databases; return the rates by number of connections."""
    batches = _read(setup)
    return {
        str(connections): _write_all(setup, f"ceiling_{connections}", batches, connections)
        for connections in sorted({1, plan.children})
    }


def _read(setup: BenchSetup) -> list[CeilingBatch]:
    with setup.connect() as conn:
        return [_read_batch(conn, batch) for batch in conn.execute(_READ_BATCHES).fetchall()]


def _read_batch(conn: "psycopg.Connection[Any]", batch: tuple[Any, ...]) -> CeilingBatch:
    named = dict(zip(_BATCH, batch, strict=True))
    span = {"first": named["first_id"], "last": named["last_id"], "batch": named["id"]}
    return CeilingBatch(
        batch,
        conn.execute(_READ_REQUESTS, span).fetchall(),
        conn.execute(_READ_MESSAGES, span).fetchall(),
        conn.execute(_READ_ATTEMPTS, span).fetchall(),
    )


def _write_all(setup: BenchSetup, database: str, batches: Sequence[CeilingBatch], connections: int) -> dict[str, Any]:
    """Write the batches with that many concurrent processes; the first quarter of each is warm-up."""
    setup.copy(database)
    shares = [batches[place::connections] for place in range(connections)]
    warm = [share[: len(share) // 4] for share in shares]
    rest = [share[len(share) // 4 :] for share in shares]
    urls = [setup.url(database)] * connections
    context = multiprocessing.get_context("spawn")
    with setup.connect(database) as conn, ProcessPoolExecutor(connections, mp_context=context) as pool:
        list(pool.map(write, urls, warm))
        roots = roots_of(setup, [])
        before, reading = cost.wal(conn), cost.read(roots)
        writers = list(pool.map(write, urls, rest))
        spent = cost.since(reading, roots, {"writers": sum(writer.cpu for writer in writers)})
        written = cost.wal(conn) - before
    count = sum(len(each.messages) for share in rest for each in share)
    seconds = max(writer.ended for writer in writers) - min(writer.began for writer in writers)
    return {
        "messages": count,
        "messages_a_second": round(count / seconds),
        "cpu_us_a_message": {name: round(spent.cpu[name] / count * 1e6, 1) for name in spent.cpu if name != "valkey"},
        "cores": spent.cores,
        "wal_bytes_a_message": round(written / count),
    }


@dataclass(frozen=True, slots=True)
class CeilingWriter:
    """Times and CPU of one connection."""

    began: float
    ended: float
    #: CPU seconds of its process
    cpu: float


def write(url: str, batches: Sequence[CeilingBatch]) -> CeilingWriter:
    """Write batches over one connection."""
    with psycopg.connect(url) as conn:
        began, cpu = time.monotonic(), time.process_time()
        for each in batches:
            _ingest(conn, each)
            _charge(conn, each)
            _deliver(conn, each)
        return CeilingWriter(began, time.monotonic(), time.process_time() - cpu)


def _ingest(conn: "psycopg.Connection[Any]", each: CeilingBatch) -> None:
    with conn.transaction(), conn.cursor() as cursor:
        for request in each.requests:
            cursor.execute(_REQUEST_ROW, request)
        _copy(cursor, "messages", _MESSAGE, (row[: len(_MESSAGE)] for row in each.messages))
        _copy(cursor, "batches", _BATCH, [each.batch])


def _charge(conn: "psycopg.Connection[Any]", each: CeilingBatch) -> None:
    batch, account, *_ = each.batch
    ids, *_, encodings, segments, amounts = (list(column) for column in zip(*each.messages, strict=True))
    with conn.transaction():
        conn.execute(_CHARGE, (ids, encodings, segments, amounts, ids[0], ids[-1]))
        conn.execute(_QUEUE, (batch,))
        conn.execute(_ENTRY, (account, "hold", sum(amounts), "wallet", "held", batch))
        conn.execute(_DEBIT, (sum(amounts), account))


def _deliver(conn: "psycopg.Connection[Any]", each: CeilingBatch) -> None:
    batch, account, *_ = each.batch
    with conn.transaction():
        conn.execute(_CLAIM, (batch,))
    for start in range(0, len(each.messages), _PORTION):
        portion = slice(start, start + _PORTION)
        ids = [id_ for id_, *_ in each.messages[portion]]
        with conn.transaction():
            conn.execute(_MARK, (ids[-1], batch))
        with conn.transaction(), conn.cursor() as cursor:
            _copy(cursor, "provider_attempts", _ATTEMPT, each.attempts[portion])
            cursor.execute(_MOVE, (ids, ids[0], ids[-1]))
            earned = sum(amount for *_, amount in each.messages[portion])
            cursor.execute(_ENTRY, (account, "capture", earned, "held", "earned", batch))
    with conn.transaction():
        conn.execute(_FINISH, (batch,))


def _copy(
    cursor: "psycopg.Cursor[Any]", table: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]
) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as out:
        out.set_types(list(columns.values()))
        for row in rows:
            out.write_row(row)
