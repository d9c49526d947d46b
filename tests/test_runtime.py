from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline import database
from pipeline.database import Deadlines, Work
from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from tests.world import World

THROW_OUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_LIMITS = """
SELECT extract(epoch FROM current_setting('lock_timeout')::interval)::float8,
       extract(epoch FROM current_setting('statement_timeout')::interval)::float8,
       extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval)::float8,
       current_setting('timezone')
"""


@pytest.fixture
def thrown_out(world: World, settings: Settings) -> Iterator[World]:
    """Yield a world whose only connection is dead and does not know it."""
    world.rt.engine.dispose()  # those that earlier tests left in the pool
    assert world.rows("SELECT 1") == [1]
    with closing(Runtime(settings)) as other, other.begin() as conn:
        conn.exec_driver_sql(THROW_OUT)
    yield world
    world.rt.engine.dispose()


def test_a_connection_that_was_idle_is_checked_before_use(thrown_out: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_IDLE", 0)

    assert thrown_out.rows("SELECT 1") == [1]


def test_a_broken_connection_in_use_raises_once_and_is_then_replaced(
    thrown_out: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_IDLE", 60)

    with pytest.raises(DatabaseFault):
        thrown_out.rows("SELECT 1")

    assert thrown_out.rows("SELECT 1") == [1]


def hold(rt: Runtime, other: Runtime) -> DatabaseFault:
    """Return what the other runtime hears while this one keeps an account's row locked."""
    with rt.begin() as conn:
        conn.exec_driver_sql("SELECT FROM accounts FOR UPDATE")
        with pytest.raises(DatabaseFault) as caught, other.begin() as waiting:
            waiting.exec_driver_sql("UPDATE accounts SET name = 'other'")
    return caught.value


def test_a_lock_is_waited_for_no_longer_than_the_deadline(world: World, settings: Settings) -> None:
    with closing(Runtime(settings, deadlines=Deadlines(lock=0.1, statement=60))) as hurried:
        fault = hold(world.rt, hurried)

        assert (fault.sqlstate, fault.is_final) == ("55P03", False)
        with hurried.begin() as conn:
            assert conn.exec_driver_sql("UPDATE accounts SET name = 'other'").rowcount == 1


def test_a_statement_is_waited_for_no_longer_than_the_deadline(world: World, settings: Settings) -> None:
    with closing(Runtime(settings, deadlines=Deadlines(lock=60, statement=0.2))) as hurried:
        fault = hold(world.rt, hurried)
        with pytest.raises(DatabaseFault) as read, hurried.read_only() as conn:
            conn.exec_driver_sql("SELECT pg_sleep(60)")

    assert (fault.sqlstate, fault.is_final) == ("57014", False)
    assert read.value.sqlstate == "57014"


@pytest.mark.parametrize("work", [None, *Work])
def test_lock_and_statement_timeouts_of_a_transaction_follow_its_work_and_end_with_it(
    work: Work | None, world: World, settings: Settings
) -> None:
    expected = work.value if work else Work.API.value
    with closing(Runtime(settings, deadlines=Work.API.value)) as rt:
        with rt.begin(work) as conn:
            found = conn.exec_driver_sql(_LIMITS).one()
        with rt.begin() as conn:
            after = conn.exec_driver_sql(_LIMITS).one()
        with rt.read_only() as conn:
            outside = conn.exec_driver_sql(_LIMITS).one()

    assert tuple(found) == (expected.lock, expected.statement, 60, "UTC")
    assert tuple(after) == tuple(outside) == (Work.API.value.lock, Work.API.value.statement, 60, "UTC")


def test_no_startup_option_that_a_connection_pooler_refuses_is_set(world: World) -> None:
    with world.rt.begin() as conn:
        driver = conn.connection.driver_connection
        assert driver is not None
        asked = driver.info.get_parameters()

    assert "options" not in asked
    assert int(asked["tcp_user_timeout"]) > 0
    assert int(asked["keepalives_idle"]) > 0


def test_the_lock_and_statement_timeouts_of_tasks_are_shorter_than_their_lease(settings: Settings) -> None:
    deadlines = Work.TASK.value

    assert deadlines.lock < deadlines.statement < settings.lease_seconds
