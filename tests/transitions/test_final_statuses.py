"""Status, money and event of messages that end change together, in sets, at the time given to the transition."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import pipeline
from pipeline.store import message_moves, wallet_ledger
from pipeline.transitions import final_statuses
from pipeline.transitions.final_statuses import End
from schema.vocabulary import Code, ResendReason
from tests.world import World

NUMBERS = ["+2348012345678", "+2348012345679"]
CLOCKS = ("now()", "clock_timestamp()", "current_timestamp")


def two_batches(world: World) -> list[list[UUID]]:
    """Return the messages of two paid batches of an account that subscribes."""
    world.run("UPDATE accounts SET subscribes = true")
    for _ in range(2):
        world.pay(world.submit(world.order(*NUMBERS)))
    found = world.rows("SELECT id FROM messages ORDER BY id")
    return [found[:2], found[2:]]


def test_a_final_status_its_release_and_its_event_have_the_given_time(world: World) -> None:
    one, other = two_batches(world)
    at = (world.rt.now() + timedelta(days=30)).replace(microsecond=0)

    with world.rt.begin() as conn:
        released = final_statuses.end(conn, at, [End(one, Code.EXPIRED, None), End(other, Code.OPTED_OUT, None)])
        wallet_ledger.release(conn, released, at)

    assert world.rows("SELECT DISTINCT status, money, final_at FROM messages") == [("failed", "released", at)]
    assert world.rows("SELECT count(*), min(at), max(at) FROM ledger WHERE kind = 'release'") == [(2, at, at)]
    assert world.rows("SELECT count(*), min(at), max(at) FROM events WHERE status = 'failed'") == [(4, at, at)]
    assert world.balance() == 1_000_000


def test_messages_of_several_batches_with_the_same_end_are_updated_by_one_statement(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two_batches(world)
    asked: list[str] = []

    with world.rt.begin() as conn:
        monkeypatch.setattr(conn, "exec_driver_sql", counting(conn.exec_driver_sql, asked))
        released = final_statuses.end(
            conn, world.rt.now(), [End(one, Code.EXPIRED, None), End(other, Code.EXPIRED, None)]
        )
        wallet_ledger.release(conn, released, world.rt.now())

    assert asked.count(message_moves._MOVE) == 1
    assert sum("INSERT INTO events" in statement for statement in asked) == 1


@pytest.mark.unsound("it is said to be sent")
def test_of_sent_messages_only_the_undelivered_end(world: World) -> None:
    one, other = two_batches(world)
    world.run("UPDATE messages SET status = 'sent', sent_at = now()")

    with world.rt.begin() as conn:
        ends = [End(one, Code.EXPIRED, ResendReason.DOUBT), End(other, Code.EXPIRED, ResendReason.UNDELIVERED)]
        wallet_ledger.release(conn, final_statuses.end(conn, world.rt.now(), ends), world.rt.now())

    query = "SELECT DISTINCT status, money, error_code FROM messages WHERE id = ANY(%(ids)s)"
    assert world.rows(query, ids=one) == [("sent", "held", None)]
    assert world.rows(query, ids=other) == [("failed", "released", "undelivered")]


def test_an_error_code_that_the_lifecycle_does_not_allow_is_refused(world: World) -> None:
    one, _ = two_batches(world)

    with pytest.raises(AssertionError), world.rt.begin() as conn:
        final_statuses.end(conn, world.rt.now(), [End(one, Code.UNRESOLVED, None)])

    assert world.rows("SELECT DISTINCT status FROM messages") == [None]


def test_transitions_and_message_moves_do_not_read_the_databases_clock() -> None:
    root = Path(pipeline.__file__).parent
    files = [*(root / "transitions").glob("*.py"), root / "store" / "message_moves.py"]

    found = [path.name for path in files if any(clock in path.read_text("utf-8").lower() for clock in CLOCKS)]

    assert len(files) > 5
    assert found == []


def counting(ask: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    """Return what runs statements and notes them."""

    def counted(statement: str, *args: Any) -> Any:
        asked.append(statement)
        return ask(statement, *args)

    return counted
