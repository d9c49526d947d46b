"""A scrape costs the same however much history there is: it reads no more blocks and no more partitions."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.metrics_snapshot import read_snapshot
from pipeline.stages.fold_counts import fold_counts
from pipeline.store import partitions
from tests.databases import NewDatabase
from tests.world import World
from workers.lab.embedded import development

#: days that have partitions, and days of them whose attempts are read: the last 35 and those ahead
DAYS, READ = 60, 35 + 8
#: a day's batches of ten messages: half a percent of 100,000 messages a day
BATCHES, SIZE = 50, 10

_BATCHES = """
INSERT INTO batches (id, account_id, class, carrier, test, status, due_at, valid_until, size, first_id, last_id,
                     done_at)
SELECT id, 1, 'bulk', 'alpha', false, 'done', now(), now(), %(size)s, id, id, now()
FROM (SELECT DISTINCT batch_id AS id FROM messages) AS b ON CONFLICT DO NOTHING
"""
_MESSAGES = """
INSERT INTO messages (id, request_id, batch_id, account_id, status, phone, country, sender, body, encoding, segments,
                      amount, quota, money, sent_at, final_at)
SELECT (lpad(to_hex(day + n), 12, '0') || '7000800000000000' || lpad(to_hex(m), 4, '0'))::uuid, gen_random_uuid(),
       (lpad(to_hex(day + n), 12, '0') || '70008000000000000000')::uuid, 1, 'delivered', '+2348012345678', 'NG', 'ACME',
       'x', 'GSM7', 1, 400, 0, 'captured', now(), now()
FROM (SELECT (extract(epoch FROM date_trunc('day', now()) - back * interval '1 day') * 1000)::int8 AS day
      FROM generate_series(1, %(days)s) AS back) AS d,
     generate_series(1, %(batches)s) AS n, generate_series(1, %(size)s) AS m
"""
_ATTEMPTS = """
INSERT INTO provider_attempts (message_id, n, carrier, batch_id, fence, outcome, marked_at)
SELECT id, 1, 'alpha', batch_id, 1, 'accepted', sent_at FROM messages ON CONFLICT DO NOTHING
"""
_WEBHOOKS = """
INSERT INTO webhook_deliveries (concurrency_key, event_id, message_id, status, at, state, done_at)
SELECT gen_random_uuid(), gen_random_uuid(), id, 'sent', now(), 'delivered', now() FROM messages LIMIT 10000
"""
_CAMPAIGNS = """
INSERT INTO campaigns (id, account_id, name, sender, class, body, created_by)
SELECT gen_random_uuid(), id, 'campaign ' || n, 'ACME', 'bulk', 'hello', 'test'
FROM accounts, generate_series(1, 3000) AS n
"""
_COUNTS = """
INSERT INTO status_counts_by_day
SELECT date_trunc('day', now(), 'UTC') - day * interval '1 day', account, NULL, 'NG', 'alpha', 'bulk', false, 'queued',
       'sent', 1, 1, 400
FROM generate_series(1, %(days)s) AS day, generate_series(1, 200) AS account
"""


@pytest.fixture
def rt(new_database: NewDatabase, pair: development.EmbeddedServers) -> Iterator[Runtime]:
    with closing(Runtime(Settings(database_url=new_database(), broker_url=pair.broker_url))) as found:
        yield found


def statements(rt: Runtime) -> list[tuple[str, Any]]:
    """Return the statements of a scrape, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, params: Any, *_others: Any) -> None:
        found.append((statement, params))

    event.listen(rt.engine, "before_cursor_execute", note)
    try:
        read_snapshot(rt)
    finally:
        event.remove(rt.engine, "before_cursor_execute", note)
    return found


def plans(rt: Runtime, found: list[tuple[str, Any]]) -> list[Any]:
    with rt.read_only() as conn:
        return [
            conn.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", params).scalar_one()[0]["Plan"]
            for statement, params in found
        ]


def blocks(plan: Any) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def partitions_of(plan: Any, table: str) -> set[str]:
    name = plan.get("Relation Name", "")
    found = {name} if name.startswith(f"{table}_") else set[str]()
    return found.union(*(partitions_of(each, table) for each in plan.get("Plans", [])))


def test_a_scrape_reads_no_more_blocks_and_partitions_after_sixty_days(rt: Runtime) -> None:
    today = rt.now().date()
    with rt.begin() as conn:
        partitions.prepare(conn, [today - timedelta(days=back) for back in range(1, DAYS + 1)])
    world = World(rt)
    world.send("+2348012345678")
    fold_counts(rt)
    found = statements(rt)
    before = plans(rt, found)

    with rt.begin() as conn:
        conn.exec_driver_sql(_MESSAGES, {"days": DAYS, "batches": BATCHES, "size": SIZE})
        conn.exec_driver_sql(_BATCHES, {"size": SIZE})
        conn.exec_driver_sql(_ATTEMPTS)
        conn.exec_driver_sql(_WEBHOOKS)
        conn.exec_driver_sql(_CAMPAIGNS)
        conn.exec_driver_sql("INSERT INTO campaign_progress (campaign_id) SELECT id FROM campaigns")
        conn.exec_driver_sql("UPDATE campaigns SET state = 'aborted'")
        conn.exec_driver_sql(_COUNTS, {"days": DAYS})
    with rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")
    after = plans(rt, found)

    assert len(found) > 15
    grown = {
        statement: (blocks(first), blocks(then))
        for (statement, _), first, then in zip(found, before, after, strict=True)
        if blocks(then) > 2 * blocks(first) + 20
    }
    assert grown == {}
    for table in ("messages", "provider_attempts"):
        assert max(len(partitions_of(plan, table)) for plan in after) <= READ + 2
