"""A database of the commit in BASE, with rows in every table, is upgraded offline and used on.

The rows are written by that commit's own code (`base_rows.py`), in a database that its own migrations made.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection

from pipeline.dialects import registry
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.migrations import migrate
from pipeline.stages.api import webhook_deliveries
from pipeline.stages.api.authenticate import Credentials, authenticate
from pipeline.stages.api.verification import CheckedCode, check
from pipeline.stages.api.webhook_deliveries import CallOutcome
from pipeline.stages.bill import bill
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.segment import segment
from pipeline.stages.sweep import sweep
from pipeline.store import migrations
from schema.api import ApiKey
from schema.tables import metadata
from schema.vocabulary import AccountState, BatchStatus
from tests.dialects.vendors import Vendor
from workers.lab.bench.check import checked_out
from workers.lab.embedded import development

HERE = Path(__file__).resolve().parent
#: the migration that upgrades BASE's database
FIRST = "0015"
SECRET = "a secret of these tests, long enough"

_TABLES = """
SELECT oid, oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
"""
#: tables and partitioned tables, without partitions
_NAMES = "SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
_VARIETY = """
SELECT 'batch', status FROM batches UNION SELECT 'message', status FROM messages
UNION SELECT 'attempt', outcome FROM provider_attempts UNION SELECT 'delivery', state FROM deliveries
UNION SELECT 'held', held FROM batches WHERE held IS NOT NULL UNION SELECT 'resent', again FROM batches
"""
_NAMED_AFTER = """
SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""


@dataclass
class Upgraded:
    """The upgraded database."""

    rt: Runtime
    #: credentials and ids of rows, as `base_rows.py` wrote them
    known: dict[str, str]
    #: each table's rows before and after, by the table's oid: names of tables and columns do not matter
    before: dict[int, list[str]]
    after: dict[int, list[str]]
    #: names of all tables before
    names: dict[int, str]

    #: what there was before: statuses of batches and messages, outcomes of attempts, reasons of held and resent batches
    variety: set[tuple[str, str | None]]

    def rows(self, query: str, **params: object) -> list[Any]:
        """Return the first column of a query's rows."""
        with self.rt.begin() as conn:
            return list(conn.exec_driver_sql(query, params).scalars())


def base() -> str:
    """Return the commit in BASE."""
    [commit] = [line for line in (HERE / "BASE").read_text("utf-8").splitlines() if not line.startswith("#")]
    return commit.strip()


def write_rows(settings: dict[str, str]) -> dict[str, str]:
    """Migrate a database and write rows with the code of BASE; return what it says of them."""
    with checked_out(base()) as tree:
        done = subprocess.run(
            [sys.executable, str(HERE / "base_rows.py"), json.dumps(settings)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    known: dict[str, str] = json.loads(done.stdout)
    return known


def contents(conn: Connection) -> dict[int, list[str]]:
    """Return the rows of each table as text, by the table's oid."""
    tables = conn.exec_driver_sql(_TABLES).all()
    return {oid: sorted(conn.exec_driver_sql(f"SELECT t::text FROM {name} AS t").scalars()) for oid, name in tables}


@pytest.fixture(scope="module")
def upgraded(
    pair: development.EmbeddedServers, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    if not (HERE.parents[1] / ".git").exists():
        pytest.skip("the rows are written by an older commit: this needs a git clone")
    home, url = tmp_path_factory.mktemp("home"), new_database("template1")
    known = write_rows({"database_url": url, "broker_url": pair.broker_url, "home": str(home), "secret_key": SECRET})
    rt = Runtime(Settings(database_url=url, broker_url=pair.broker_url, home=home, secret_key=SecretStr(SECRET)))
    with rt.begin() as conn:
        before, names = contents(conn), dict(map(tuple, conn.exec_driver_sql(_NAMES).all()))
        variety = {(kind, value) for kind, value in conn.exec_driver_sql(_VARIETY)}
        command.upgrade(migrations.config(conn), FIRST)
        after = contents(conn)
    migrate(rt, registry.rows())
    yield Upgraded(rt, known, before, after, names, variety)
    rt.close()


def go_on(rt: Runtime) -> None:
    """Do what the clock and the workers do, until every batch is done."""
    for _ in range(20):
        with rt.begin() as conn:
            conn.exec_driver_sql(
                "UPDATE batches SET due_at = least(due_at, now()), hinted_at = now() - interval '1 hour',"
                " send_at = CASE WHEN send_at > now() THEN now() ELSE send_at END, lease_until = now()"
                " WHERE status <> 'done'"
            )
        swept = sweep(rt)
        paid = [
            hint
            for each in swept.admitted
            for hint in bill(rt, each.batch, segment(rt, each.batch), capacities=registry.capacities())
        ]
        hints = [*promote(rt), *swept.queued, *paid]
        while hints:
            hints = deliver(rt, [hint.batch for hint in hints])


def test_every_table_had_rows_and_batches_and_messages_of_every_status(upgraded: Upgraded) -> None:
    empty = {upgraded.names[oid] for oid, rows in upgraded.before.items() if not rows and oid in upgraded.names}

    assert empty == set()
    assert upgraded.variety >= {
        *(("batch", str(status)) for status in BatchStatus),
        *(("message", status) for status in (None, "sent", "delivered", "failed", "rejected", "cancelled")),
        *(("attempt", outcome) for outcome in ("accepted", "refused_permanent", "refused_transient", "unknown")),
        *(("delivery", state) for state in ("waiting", "delivered")),
        ("held", "account"),
        ("resent", "undelivered"),
    }


def test_no_row_is_lost_or_changed_by_the_first_migration_since(upgraded: Upgraded) -> None:
    assert upgraded.after == upgraded.before


def test_the_upgraded_database_is_the_described_one(upgraded: Upgraded) -> None:
    with upgraded.rt.begin() as conn:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        differences = compare_metadata(MigrationContext.configure(conn, opts=options), metadata)
        now = dict(map(tuple, conn.exec_driver_sql(_NAMES).all()))
        things = set(conn.exec_driver_sql(_NAMED_AFTER).scalars())
    gone = {name for oid, name in upgraded.names.items() if now[oid] != name}
    left = {each for each in things - set(now.values()) if each.startswith(tuple(f"{name}_" for name in gone))}

    assert differences == []
    assert len(gone) == 7
    assert {each for each in left if not each.startswith(tuple(f"{name}_" for name in now.values()))} == set()


def test_the_product_goes_on_with_what_was_in_it(upgraded: Upgraded) -> None:
    assert [each.name for each in audit(upgraded.rt) if each.broken] == []
    set_account_state(upgraded.rt, "other", AccountState.ACTIVE)

    go_on(upgraded.rt)

    assert upgraded.rows("SELECT b::text FROM batches AS b WHERE status <> 'done'") == []
    assert upgraded.rows("SELECT status FROM messages WHERE id = %(id)s", id=upgraded.known["scheduled"]) == ["sent"]
    assert [each.name for each in audit(upgraded.rt) if each.broken] == []


def test_webhook_deliveries_of_before_are_claimed_and_signed(upgraded: Upgraded) -> None:
    waiting = "SELECT count(*) FROM webhook_deliveries WHERE state = 'waiting'"
    assert upgraded.rows(waiting) != [0]

    while upgraded.rows(waiting) != [0]:
        with upgraded.rt.begin() as conn:
            conn.exec_driver_sql("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'waiting'")
        jobs = webhook_deliveries.claim(upgraded.rt, {}, 100).jobs
        assert jobs
        # both secrets of an endpoint whose secret was rotated
        assert {len(job.secrets) for job in jobs} == {2}
        webhook_deliveries.record(upgraded.rt, [CallOutcome(job, "200", accepted=True) for job in jobs])


def test_an_api_key_of_before_authenticates_and_a_code_is_right(upgraded: Upgraded) -> None:
    rt = upgraded.rt
    caller = Credentials(
        dialect=Vendor.ROBASE,
        handle=rt.vault.digest("key", Vendor.ROBASE, upgraded.known["token"]).hex(),
        source="203.0.113.7",
        endpoint="upgrade",
        rate=100.0,
        burst=100,
        verify=lambda _key: None,
    )
    [key] = authenticate(rt, [caller])

    assert isinstance(key, ApiKey)
    assert key.owner == "acme"
    assert check(rt, key.account, UUID(upgraded.known["challenge"]), "123456") is CheckedCode.VALID
