"""A database with weeks of history, filled by SQL: what an installation holds that sent so many messages a day.

Batches of ten messages each have their request, attempts, receipts, ledger entries, index entries, counters and
webhooks. The last batches of today wait, some are held, and what retention would have deleted is not there.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pipeline.rules.identity import ids
from pipeline.rules.identity.search_hashes import SearchHashes, as_integer
from pipeline.runtime import Connection, Runtime
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.index_messages import index_messages
from pipeline.store import carriers, message_index, partitions, wallet_ledger

#: messages of a batch
SIZE = 10
ACCOUNTS = 20
#: recipients; number n is the customer of account n % ACCOUNTS + 1
PERSONS = 5_000
#: campaigns begun each day
CAMPAIGNS = 5
#: entries of the audit log a day
CHANGES = 500
#: routes, and prices of each currency
DESTINATIONS = 3_000


def phone(person: int) -> str:
    """Return the number of a person."""
    return f"+23480{person:08}"


def correlation_id(person: int) -> str:
    """Return the correlation id of a person's messages."""
    return f"order-{person}"


_PERSONS = """
CREATE TEMPORARY TABLE persons AS
SELECT * FROM unnest(%(ns)b::int4[], %(accounts)b::int4[], %(phones)b::text[], %(owns)b::text[], %(numbers)b::int8[],
                     %(correlations)b::int8[]) AS p (n, account_id, phone, correlation_id, number_hash, own_hash)
"""
#: at: evenly over the day; today's until now. A batch is of one account, and its messages are to customers of that
_BATCHES = f"""
CREATE TEMPORARY TABLE history AS
SELECT at, (lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0') || '70008000'
            || lpad(to_hex(n), 4, '0')) AS stem,
       coalesce(c.account_id - 1, mod(n, %(accounts)s)) AS account, 'carrier-' || mod(n, 3) + 1 AS carrier,
       CASE WHEN mod(n, 10) = 0 THEN 'otp' ELSE 'bulk' END AS class, n, c.id AS campaign_id,
       at > %(now)s - interval '2 minutes' AS is_open
FROM generate_series(0, %(days)s - 1) AS back CROSS JOIN generate_series(1, %(batches)s) AS n
CROSS JOIN LATERAL (SELECT date_trunc('day', %(now)s::timestamptz, 'UTC') - back * interval '1 day'
                           + n * interval '1 day' / %(batches)s AS at) AS t
LEFT JOIN campaigns AS c ON mod(n, 10) = 3 AND c.name = 'spring-' || back || '-' || mod(n / 10, {CAMPAIGNS})
WHERE at < %(now)s
"""
#: of what waits, a fifth is held
_WRITE_BATCHES = f"""
INSERT INTO batches (id, account_id, class, carrier, test, status, due_at, valid_until, size, first_id, last_id, fence,
                     held, campaign_id, created_at, queued_at, hinted_at, done_at)
SELECT (stem || '00000000')::uuid, account + 1, class, carrier, false, CASE WHEN is_open THEN 'queued' ELSE 'done' END,
       at, at + interval '2 days', {SIZE}, (stem || '00000000')::uuid, (stem || lpad(to_hex({SIZE - 1}), 8, '0'))::uuid,
       1, CASE WHEN is_open AND mod(n, 5) = 0 THEN 'carrier' END, campaign_id, at, at, at,
       CASE WHEN NOT is_open THEN at END
FROM history
"""
_REQUESTS = f"""
INSERT INTO requests (id, account_id, dialect, operation, class, first_message, recipients, accepted, refusals,
                      created_at)
SELECT (stem || 'ffffffff')::uuid, account + 1, CASE WHEN mod(n, 2) = 0 THEN 'robase' END, 'send', class,
       (stem || '00000000')::uuid, {SIZE}, {SIZE}, '[]', at
FROM history
"""
_MESSAGES = f"""
INSERT INTO messages (id, request_id, batch_id, account_id, status, phone, country, sender, body, correlation_id,
                      encoding, segments, amount, quota, money, error_code, sent_at, final_at)
SELECT (stem || lpad(to_hex(place), 8, '0'))::uuid, (stem || 'ffffffff')::uuid, (stem || '00000000')::uuid, account + 1,
       status, '+23480' || lpad(person::text, 8, '0'), 'NG', CASE WHEN mod(n, 3) = 0 THEN 'ACME' ELSE 'SHOP' END,
       'Your parcel arrives today between nine and twelve.', CASE WHEN place < 2 THEN 'order-' || person END, 'GSM7', 1,
       400, 0, CASE WHEN status = 'rejected' THEN 'released' WHEN status IS NULL THEN 'held' ELSE 'captured' END,
       CASE WHEN status = 'failed' THEN 'undelivered' WHEN status = 'rejected' THEN 'opted_out' END,
       CASE WHEN status <> 'rejected' THEN at END, CASE WHEN status <> 'sent' THEN at END
FROM history, generate_series(0, {SIZE - 1}) AS place,
     LATERAL (SELECT account + {ACCOUNTS} * mod(n * 7 + place * 31, {PERSONS // ACCOUNTS}) AS person,
                     CASE WHEN is_open THEN NULL WHEN mod(n + place, 50) = 0 THEN 'failed'
                          WHEN mod(n + place, 60) = 0 THEN 'rejected' WHEN mod(n + place, 25) = 0 THEN 'sent'
                          ELSE 'delivered' END AS status) AS s
"""
_ATTEMPTS = """
INSERT INTO provider_attempts (message_id, n, carrier, batch_id, fence, outcome, carrier_ref, code, marked_at,
                               recorded_at)
SELECT m.id, 1, h.carrier, m.batch_id, 1, 'accepted', m.id::text, '0', h.at, h.at
FROM messages AS m JOIN history AS h ON (h.stem || '00000000')::uuid = m.batch_id
WHERE m.status IN ('sent', 'delivered', 'failed') ORDER BY m.id
"""
#: ids of receipts begin with their time, as those of messages do
_RECEIPTS = """
INSERT INTO receipts (id, carrier, key, carrier_ref, verdict, raw, state, due_at, received_at, applied_at)
SELECT id, a.carrier, id::text, id::text, CASE status WHEN 'failed' THEN 'failed' ELSE 'delivered' END, '{}',
       'applied', a.marked_at, a.marked_at + interval '4 seconds', a.marked_at + interval '5 seconds'
FROM messages AS m JOIN provider_attempts AS a ON a.message_id = m.id WHERE m.status IN ('delivered', 'failed')
"""
_INDEXES = (
    """
    INSERT INTO message_numbers (hash, message_id)
    SELECT p.number_hash, m.id FROM messages AS m JOIN persons AS p ON p.phone = m.phone
    """,
    """
    INSERT INTO message_correlations (hash, message_id)
    SELECT p.own_hash, m.id FROM messages AS m JOIN persons AS p ON p.phone = m.phone
    WHERE m.correlation_id IS NOT NULL
    """,
)
_LEDGER = """
INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book, batch_id, at)
SELECT account + 1, kind, 'NGN', 4000, from_book, to_book, (stem || '00000000')::uuid, at
FROM history, (VALUES ('hold', 'wallet', 'held'), ('capture', 'held', 'earned')) AS e (kind, from_book, to_book)
WHERE kind = 'hold' OR NOT is_open ORDER BY at
"""
#: each message was new, then queued, then sent, then came to its end
_CHANGES = """
WITH moves AS (
    SELECT date_trunc('{unit}', h.at, 'UTC') AS time, h.account + 1 AS account_id, h.campaign_id, h.carrier, h.class,
           before, moved.status, count(*) AS messages
    FROM messages AS m JOIN history AS h ON (h.stem || '00000000')::uuid = m.batch_id,
         LATERAL (VALUES ('', 'queued'), ('queued', CASE m.status WHEN 'rejected' THEN 'rejected' ELSE 'sent' END),
                         ('sent', CASE WHEN m.status IN ('delivered', 'failed') THEN m.status END))
             AS moved (before, status)
    WHERE m.status IS NOT NULL AND moved.status IS NOT NULL AND h.at >= %(since)s GROUP BY 1, 2, 3, 4, 5, 6, 7
)
INSERT INTO {table} SELECT time, account_id, campaign_id, 'NG', carrier, class, false, before, status, messages,
                           messages, CASE WHEN before = 'queued' AND status = 'sent' THEN 400 * messages ELSE 0 END
FROM moves
"""
_CAMPAIGNS = f"""
INSERT INTO campaigns (id, account_id, name, state, sender, class, body, created_by, created_at, started_at, ended_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0') || '7000800000000000000' || n)::uuid,
       mod(back * {CAMPAIGNS} + n, {ACCOUNTS}) + 1, 'spring-' || back || '-' || n,
       CASE WHEN back = 0 THEN 'paused' ELSE 'finished' END, 'ACME', 'bulk', 'hello', 'user:mary', at, at,
       CASE WHEN back > 0 THEN at + interval '1 hour' END
FROM generate_series(0, %(days)s - 1) AS back, generate_series(0, {CAMPAIGNS} - 1) AS n,
     LATERAL (SELECT date_trunc('day', %(now)s::timestamptz, 'UTC') - back * interval '1 day' AS at) AS t
"""
_PROGRESS = "INSERT INTO campaign_progress (campaign_id, rows, sent) SELECT id, %(rows)s, %(rows)s FROM campaigns"
_ROWS = """
INSERT INTO campaign_rows (campaign_id, line, phone, request_id, place)
SELECT id, line, '+23480' || lpad(line::text, 8, '0'), gen_random_uuid(), 0
FROM campaigns, generate_series(1, %(rows)s) AS line
"""
_CAMPAIGN_EVENTS = """
INSERT INTO campaign_events (id, campaign_id, state, at) SELECT gen_random_uuid(), id, state, created_at FROM campaigns
"""
#: some users, one who did something once, long ago, and the changes of campaigns
_AUDIT_LOG = f"""
INSERT INTO audit_log (at, actor_kind, actor, claimed, origin, action, subject_table, subject, account_id, before,
                       after)
SELECT %(now)s::timestamptz - %(days)s * interval '1 day' * (1 - n::float8 / total), 'user',
       CASE WHEN n = total / 20 THEN 'once' ELSE 'user-' || mod(n, 30) END,
       CASE WHEN mod(n, 100) = 0 THEN 'root' END, '192.0.2.1', 'insert',
       (ARRAY['routes', 'prices', 'accounts', 'sender_ids'])[mod(n, 4) + 1], 'NG carrier-1',
       CASE WHEN mod(n, 2) = 0 THEN mod(n / 2, {ACCOUNTS}) + 1 END, NULL, '{{"rank": 1}}'
FROM (SELECT %(days)s * {CHANGES} AS total) AS t, generate_series(1, total) AS n
"""
_ENDPOINTS = """
INSERT INTO webhook_endpoints (id, account_id, dialect, url)
SELECT gen_random_uuid(), id, 'robase', 'https://example.org' FROM accounts
"""
#: of a month, as long as they are kept; one in two thousand is dead
_DELIVERIES = """
INSERT INTO webhook_deliveries (endpoint_id, concurrency_key, event_id, message_id, status, at, state, tries, due_at,
                                answer, done_at)
SELECT e.id, e.id, gen_random_uuid(), m.id, m.status, m.final_at,
       CASE WHEN mod(row_number() OVER (), 2000) = 0 THEN 'dead' ELSE 'delivered' END, 1, m.final_at, '200', m.final_at
FROM messages AS m JOIN webhook_endpoints AS e ON e.account_id = m.account_id
WHERE m.id >= %(lowest)s AND m.status = 'delivered'
"""
_INBOUND = """
INSERT INTO inbound_messages (id, carrier, key, phone, sender, body, account_id, action, received_at, handled_at)
SELECT id, 'carrier-1', id::text, phone, '+23470000000', 'Thank you', account_id, 'keep', sent_at, sent_at
FROM messages WHERE sent_at IS NOT NULL AND mod(abs(hashtext(id::text)), 50) = 0
"""
_OPT_OUTS = """
INSERT INTO opt_outs (account_id, phone, sender, class, source)
SELECT account_id, phone, '', CASE WHEN mod(n, 2) = 0 THEN 'bulk' ELSE '' END, 'STOP' FROM persons
"""
_ROUTES = """
INSERT INTO routes (destination, carrier, rank, from_at)
SELECT '234' || n, 'carrier-' || mod(n, 3) + 1, 1, %(now)s::timestamptz - interval '90 days'
FROM generate_series(1, %(many)s) AS n
"""
#: each price has changed twice
_PRICES = f"""
INSERT INTO prices (account_id, destination, currency, per_segment, from_at)
SELECT account, '234' || n, 'NGN', 400 + past, %(now)s::timestamptz - (past + 1) * interval '20 days'
FROM generate_series(1, %(many)s) AS n, generate_series(0, 2) AS past,
     LATERAL (SELECT CASE WHEN mod(n, 3) = 0 THEN mod(n, {ACCOUNTS}) + 1 END AS account) AS a
"""
_LETTERS = """
INSERT INTO dead_letters (id, source, origin, reason, size, received_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0') || '7000800000000000' || lpad(to_hex(n), 4, '0'))
       ::uuid, 'receipt', 'carrier-1', 'malformed', 10, at
FROM generate_series(1, 1000) AS n, LATERAL (SELECT %(now)s::timestamptz - n * interval '10 minutes' AS at) AS t
"""
#: without triggers: they would enter each row of configuration in the audit log
_SETTINGS = ("work_mem = '256MB'", "synchronous_commit = off", "session_replication_role = replica")


def fill(rt: Runtime, days: int, messages: int, rows: int) -> None:
    """Fill a new database with days of so many messages each, today included, and campaigns of so many rows."""
    now = rt.now()
    index_messages(rt)  # makes the search key
    _configure(rt)
    with rt.begin() as conn:
        partitions.prepare(conn, [now.date() - timedelta(days=back) for back in range(1, days)])
        for each in _SETTINGS:
            conn.exec_driver_sql(f"SET LOCAL {each}")
        conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
        _write_persons(rt, conn)
        _write(conn, now, days, messages // SIZE, rows)
    with rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("SET statement_timeout = 0")
        conn.exec_driver_sql("VACUUM ANALYZE")


def _configure(rt: Runtime) -> None:
    for number in range(1, ACCOUNTS + 1):
        create_account(rt, f"account-{number}", "NGN")
    with rt.begin() as conn:
        for number in range(1, 4):
            carriers.save(conn, f"carrier-{number}", "simulated", {"script": {}}, sends_dlt=True)
        for account in range(1, ACCOUNTS + 1):
            wallet_ledger.top_up(conn, account, 1_000_000_000_000, "test", rt.now())


def _write_persons(rt: Runtime, conn: Connection) -> None:
    key = message_index.key(conn)
    assert key
    hashes = SearchHashes(rt.vault.open(message_index.PURPOSE, key.sealed))
    persons = [(n, n % ACCOUNTS + 1) for n in range(PERSONS)]
    params = {
        "ns": [n for n, _ in persons],
        "accounts": [account for _, account in persons],
        "phones": [phone(n) for n, _ in persons],
        "owns": [correlation_id(n) for n, _ in persons],
        "numbers": _integers(hashes.numbers(account, [phone(n)]) for n, account in persons),
        "correlations": _integers(hashes.correlations(account, [correlation_id(n)]) for n, account in persons),
    }
    conn.exec_driver_sql(_PERSONS, params)
    conn.exec_driver_sql("ANALYZE persons")


def _integers(found: Iterable[list[bytes]]) -> list[int]:
    return [as_integer(digest) for [digest] in found]


def _write(conn: Connection, now: datetime, days: int, batches: int, rows: int) -> None:
    params = {"now": now, "days": days, "batches": batches, "rows": rows, "many": DESTINATIONS, "accounts": ACCOUNTS}
    for statement in (_CAMPAIGNS, _PROGRESS, _ROWS, _CAMPAIGN_EVENTS, _BATCHES):
        conn.exec_driver_sql(statement, params)
    conn.exec_driver_sql("ANALYZE history")
    for statement in (_WRITE_BATCHES, _REQUESTS, _MESSAGES):
        conn.exec_driver_sql(statement)
    conn.exec_driver_sql("ANALYZE messages")
    for statement in (_ATTEMPTS, _RECEIPTS, *_INDEXES, _LEDGER, _INBOUND, _OPT_OUTS, _ENDPOINTS):
        conn.exec_driver_sql(statement)
    for unit, table, kept in (("minute", "status_counts_by_minute", 8), ("day", "status_counts_by_day", days)):
        conn.exec_driver_sql(_CHANGES.format(unit=unit, table=table), {"since": now - timedelta(days=kept)})
    conn.exec_driver_sql(_DELIVERIES, {"lowest": ids.lowest(now - timedelta(days=30))})
    for statement in (_AUDIT_LOG, _ROUTES, _PRICES, _LETTERS):
        conn.exec_driver_sql(statement, params)
