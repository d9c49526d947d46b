from typing import Any

import pytest

from pipeline import runtime
from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings

THROW_OUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def thrown_out(world: Any, settings: Settings) -> Any:
    """A world whose only connection is dead and does not know it."""
    other = Runtime(settings)
    with other.begin() as conn:
        conn.exec_driver_sql(THROW_OUT)
    other.close()
    return world


def test_a_connection_that_lay_idle_is_asked_whether_it_lives(thrown_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_IDLE", 0)

    assert thrown_out.rows("SELECT 1") == [1]


def test_a_connection_in_use_that_died_is_a_fault_once(thrown_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_IDLE", 60)

    with pytest.raises(DatabaseFault):
        thrown_out.rows("SELECT 1")

    assert thrown_out.rows("SELECT 1") == [1]
