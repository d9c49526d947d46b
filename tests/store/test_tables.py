"""The migrations create exactly the database that schema/tables.py describes, and can be reverted and applied again."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipeline.dialects import registry
from pipeline.rules.consent import consent_numbers
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.migrations import is_current, migrate
from pipeline.store import migrations
from schema.tables import metadata
from tests.databases import NewDatabase
from tests.world import World

#: what makes up a database, each thing spelt by the server itself
CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relname = ANY(%(tables)s)
    """,
    "constraints": """
        SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
        FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid WHERE c.relname = ANY(%(tables)s)
    """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%(tables)s)
    """,
    "storage": """
        SELECT relname, relkind::text, reloptions::text, pg_get_partkeydef(oid)
        FROM pg_class WHERE relname = ANY(%(tables)s)
    """,
}


def catalogue(rt: Runtime, what: str) -> set[Any]:
    with rt.begin() as conn:
        return {tuple(row) for row in conn.exec_driver_sql(CATALOGUE[what], {"tables": list(metadata.tables)})}


def tables_of(rt: Runtime) -> set[str]:
    with rt.begin() as conn:
        return set(conn.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars())


def test_alembic_finds_no_difference_between_the_migrations_and_the_metadata(rt: Runtime) -> None:
    with rt.begin() as conn:
        context = MigrationContext.configure(
            conn,
            opts={
                "compare_server_default": True,
                "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
            },
        )
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("what", CATALOGUE)
def test_the_catalogue_of_the_migrated_database_equals_that_of_the_metadata(
    what: str, rt: Runtime, blank: Runtime
) -> None:
    with blank.begin() as conn:
        metadata.create_all(conn)

    described = catalogue(blank, what)

    assert described
    assert catalogue(rt, what) == described


def test_reverted_migrations_can_be_applied_again(rt: Runtime) -> None:
    before = tables_of(rt)

    with rt.begin() as conn:
        command.downgrade(migrations.config(conn), "base")
    bare = tables_of(rt)
    applied = migrate(rt, registry.rows())

    assert bare == {"alembic_version"}
    assert applied == (None, migrations.head())
    assert tables_of(rt) == before


def test_an_empty_database_is_not_current_until_it_is_migrated(blank: Runtime) -> None:
    assert not is_current(blank)

    migrate(blank, registry.rows())

    assert is_current(blank)


def test_migrating_a_current_database_changes_nothing(world: World) -> None:
    world.send()
    before = tables_of(world.rt)

    again = migrate(world.rt, registry.rows())

    assert again == (migrations.head(), migrations.head())
    assert tables_of(world.rt) == before
    assert world.rows("SELECT status FROM messages") == ["sent"]


def test_of_two_concurrent_migrations_one_waits_and_does_nothing(new_database: NewDatabase) -> None:
    settings = Settings(database_url=new_database("template1"))

    with closing(Runtime(settings)) as one, closing(Runtime(settings)) as other, ThreadPoolExecutor(2) as pool:
        made = list(pool.map(partial(migrate, apis=registry.rows()), (one, other)))

    head = migrations.head()
    assert sorted(made, key=str) == sorted([(None, head), (head, head)], key=str)


def test_downgrading_and_upgrading_keeps_held_batches_and_messages_delivered_late(world: World) -> None:
    world.send()
    world.run("UPDATE messages SET status = 'failed', error_code = 'undelivered', final_at = now()")
    world.run("UPDATE messages SET status = 'delivered', error_code = NULL")
    [hint] = world.pay(world.submit(world.order()))
    world.run("UPDATE batches SET held = 'account' WHERE id = %(id)s", id=hint.batch)
    before = world.rows("SELECT id, status FROM batches ORDER BY id")

    with world.rt.begin() as conn:
        command.downgrade(migrations.config(conn), "0004")
    without = world.rows("SELECT id, status FROM batches ORDER BY id")
    migrate(world.rt, registry.rows())

    assert world.rows("SELECT id, status FROM batches ORDER BY id") == without == before
    assert world.rows("SELECT DISTINCT held FROM batches") == [None]
    world.deliver_all([hint])
    assert sorted(world.rows("SELECT status FROM messages")) == ["delivered", "sent"]


#: an opt-out as it was written before its number's form changed, and as it is found after
OLD_OPT_OUTS = {
    ("+5215512345678", ""): ("+525512345678", ""),
    ("+541123456789", ""): ("+5491123456789", ""),
    ("+551187654321", "447700900100"): ("+5511987654321", "+447700900100"),
    ("+22507123456", ""): ("+2250707123456", ""),
    ("+22997123456", "ACME"): ("+2290197123456", "ACME"),
    ("+23777123456", ""): ("+237677123456", ""),
    ("+2417123456", ""): ("+24177123456", ""),
    ("+841201234567", ""): ("+84701234567", ""),
    ("00447400123126", "60555"): ("+447400123126", "60555"),
    ("+2348012345678", "00447700900100"): ("+2348012345678", "+447700900100"),
    ("+525512345678", ""): ("+525512345678", ""),
    ("07400123126", ""): ("07400123126", ""),
}


def _before(config: Config, subject: str) -> str:
    """Return the revision before the one whose file's name ends so."""
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    return next(str(each.down_revision) for each in scripts if Path(each.path).stem.endswith(subject))


def test_opt_outs_with_old_forms_of_numbers_are_merged_into_current_forms(rt: Runtime) -> None:
    with rt.begin() as conn:
        command.downgrade(migrations.config(conn), _before(migrations.config(conn), "_consent"))
        for phone, sender in OLD_OPT_OUTS:
            row = {"phone": phone, "sender": sender}
            conn.exec_driver_sql("INSERT INTO opt_outs VALUES (1, %(phone)s, %(sender)s, '', 'STOP')", row)

    migrate(rt, registry.rows())

    with rt.begin() as conn:
        rows = {tuple(row) for row in conn.exec_driver_sql("SELECT phone, sender FROM opt_outs")}
    assert rows == set(OLD_OPT_OUTS.values())
    for phone, sender in OLD_OPT_OUTS:
        form = consent_numbers.read(phone) or phone
        assert (form, consent_numbers.sender(sender)) in rows


#: a request's `door` until then, whether it was a test, and its dialect and operation since
SPLIT = [
    ("robase.send", False, "robase", "send"),
    ("robase.test.batch.row", True, "robase", "batch.row"),
    ("solaris", False, "solaris", None),
    ("solaris.test", True, "solaris", None),
    ("solaris.code", True, "solaris", "code"),
    ("telesign.verify", True, "telesign", "verify"),
    ("webex.sms", False, "webex", "sms"),
    ("reply", False, None, "reply"),
    ("shop.test", False, None, "shop.test"),
    (None, False, None, None),
]


def test_the_migration_splits_and_joins_the_api_and_operation_of_requests(rt: Runtime) -> None:
    with rt.begin() as conn:
        command.downgrade(migrations.config(conn), "0013")
        for place, (door, test, *_) in enumerate(SPLIT):
            conn.exec_driver_sql(
                "INSERT INTO requests (id, door, test, recipients, accepted, refusals)"
                " VALUES (gen_random_uuid(), %(door)s, %(test)s, %(place)s, 0, '[]')",
                {"door": door, "test": test, "place": place},
            )

        command.upgrade(migrations.config(conn), "0014")
        split = conn.exec_driver_sql("SELECT dialect, operation FROM requests ORDER BY recipients").all()
        command.downgrade(migrations.config(conn), "0013")
        joined = conn.exec_driver_sql("SELECT door, test FROM requests ORDER BY recipients").all()

    assert [tuple(row) for row in split] == [tuple(row[2:]) for row in SPLIT]
    assert [tuple(row) for row in joined] == [tuple(row[:2]) for row in SPLIT]


#: kind and what was stored of its ids until then (null: not checked, or it reaches no operator), and whether it is able
ABLE = [
    ("http", None, True),
    ("simulated", None, True),
    ("smpp", None, True),
    ("smpp", False, False),
    ("vonage", None, False),
    ("vonage", True, True),
]


def test_carriers_that_could_send_to_india_still_can_after_the_migration(rt: Runtime) -> None:
    with rt.begin() as conn:
        command.downgrade(migrations.config(conn), _before(migrations.config(conn), "_carriers_without_dlt_ids"))
        for place, (kind, sends, _) in enumerate(ABLE):
            conn.exec_driver_sql(
                "INSERT INTO carriers (name, kind, sends_dlt) VALUES (%(name)s, %(kind)s, %(sends)s)",
                {"name": f"c{place}", "kind": kind, "sends": sends},
            )

    migrate(rt, registry.rows())

    with rt.begin() as conn:
        able = conn.exec_driver_sql("SELECT sends_dlt FROM carriers WHERE name <> 'simulated' ORDER BY name").scalars()
        assert list(able) == [each for *_, each in ABLE]
