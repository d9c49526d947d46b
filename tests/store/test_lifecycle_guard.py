"""The database refuses status changes that pipeline/rules/lifecycle.py does not allow, and changes of the ledger."""

from collections.abc import Hashable, Mapping
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from pipeline.errors import DatabaseFault
from pipeline.rules.campaign_lifecycle import CAMPAIGN_MOVES, ENDED
from pipeline.rules.lifecycle import BATCH_MOVES, MESSAGE_MOVES, REVOKE
from schema.vocabulary import BatchStatus, CampaignState, Code, Status
from tests.world import World


@pytest.fixture
def world(shared_world: World) -> World:
    return shared_world


MESSAGE = """
INSERT INTO messages (id, request_id, batch_id, account_id, status, error_code, phone, country, sender, body)
VALUES (%(id)s, %(id)s, %(id)s, 1, %(status)s, 'undelivered', '+1', '', 'ACME', 'x')
"""
BATCH = """
INSERT INTO batches (id, account_id, class, carrier, test, status, due_at, valid_until, size, first_id, last_id)
VALUES (%(id)s, 1, 'bulk', 'alpha', false, %(status)s, now(), now(), 1, %(id)s, %(id)s)
"""
CAMPAIGN = """
WITH made AS (
    INSERT INTO campaigns (id, account_id, name, state, sender, class, body, created_by)
    VALUES (%(id)s, 1, %(id)s, %(status)s, 'ACME', 'bulk', 'x', 'os_user:ada') RETURNING id
) INSERT INTO campaign_progress (campaign_id, rows, sent) SELECT id, %(rows)s, 2 FROM made
"""


def allowed(
    world: World, table: str, insert: str, statuses: list[Any], *, column: str = "status", rows: int = 2
) -> set[tuple[Any, Any]]:
    """Return the moves that the database lets pass, of all there are; a move to where one is is none."""
    passed = set()
    with world.rt.begin() as conn:
        for before, after in product(statuses, repeat=2):
            id_ = world.rt.new_ids()
            conn.exec_driver_sql(insert, {"id": id_, "status": before and str(before), "rows": rows})
            move = f"UPDATE {table} SET {column} = %(status)s WHERE id = %(id)s"
            with suppress(IntegrityError), conn.begin_nested():
                conn.exec_driver_sql(move, {"id": id_, "status": after and str(after)})
                passed |= {(before, after)} if before != after else set()
    return passed


def reported(moves: Mapping[Any, frozenset[Any]]) -> set[tuple[Hashable, Hashable]]:
    return {(before, after) for before, following in moves.items() for after in following}


def test_the_database_allows_exactly_the_status_changes_of_messages_in_the_lifecycle(world: World) -> None:
    passed = allowed(world, "messages", MESSAGE, [None, *Status])

    assert passed == reported(MESSAGE_MOVES)


def test_only_failures_with_a_revocable_error_code_can_become_delivered(world: World) -> None:
    passed = set()
    for code in Code:
        id_ = world.rt.new_ids()
        with world.rt.begin() as conn:
            conn.exec_driver_sql(MESSAGE, {"id": id_, "status": "failed"})
        world.run("UPDATE messages SET error_code = %(code)s WHERE id = %(id)s", code=str(code), id=id_)
        with suppress(DatabaseFault):
            world.run("UPDATE messages SET status = 'delivered' WHERE id = %(id)s", id=id_)
            passed.add(code)

    assert passed == REVOKE.revokes


def test_the_database_allows_exactly_the_status_changes_of_batches_in_the_lifecycle(world: World) -> None:
    passed = allowed(world, "batches", BATCH, list(BatchStatus))

    assert passed == reported(BATCH_MOVES)


def test_the_database_allows_exactly_the_state_changes_of_campaigns_in_the_lifecycle(world: World) -> None:
    passed = allowed(world, "campaigns", CAMPAIGN, list(CampaignState), column="state")

    assert passed == reported(CAMPAIGN_MOVES)


def test_a_campaign_with_rows_that_have_no_outcome_cannot_end(world: World) -> None:
    passed = allowed(world, "campaigns", CAMPAIGN, list(CampaignState), column="state", rows=3)

    assert passed == {(before, after) for before, after in reported(CAMPAIGN_MOVES) if after not in ENDED}


def test_columns_other_than_the_status_of_a_final_message_can_be_updated(world: World) -> None:
    [message] = world.send().messages
    world.run("UPDATE messages SET status = 'delivered' WHERE id = %(id)s", id=message)

    update = "UPDATE messages SET status = 'delivered', final_at = now(), money = 'released' WHERE id = %(id)s"
    touched = world.run(update, id=message)

    assert touched == 1


@pytest.mark.parametrize("table", ["messages", "batches"])
def test_a_status_that_does_not_exist_is_refused(world: World, table: str) -> None:
    world.send()

    with pytest.raises(DatabaseFault):
        world.run(f"UPDATE {table} SET status = 'lost'")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET amount = amount + 1",
        "UPDATE ledger SET note = 'x' WHERE false",
        "DELETE FROM ledger",
        "DELETE FROM ledger WHERE id = -1",
        "TRUNCATE ledger",
        "TRUNCATE ledger, events CASCADE",
        "WITH gone AS (DELETE FROM ledger RETURNING *) SELECT count(*) FROM gone",
        "INSERT INTO ledger OVERRIDING SYSTEM VALUE SELECT * FROM ledger ON CONFLICT (id) DO UPDATE SET amount = 1",
    ],
)
def test_ledger_entries_cannot_be_changed_or_deleted(world: World, statement: str) -> None:
    world.send()
    before = world.rows("SELECT * FROM ledger ORDER BY id")

    with pytest.raises(DatabaseFault):
        world.run(statement)

    assert len(before) >= 3
    assert world.rows("SELECT * FROM ledger ORDER BY id") == before


@pytest.mark.parametrize(
    ("amount", "source", "target"),
    [
        pytest.param(0, "wallet", "held", id="nothing"),
        pytest.param(-5, "wallet", "held", id="less than nothing"),
        pytest.param(5, "wallet", "wallet", id="from a book to itself"),
        pytest.param(5, "wallet", "pocket", id="to a book that is none"),
    ],
)
def test_a_ledger_entry_without_a_positive_amount_or_two_different_books_is_refused(
    world: World, amount: int, source: str, target: str
) -> None:
    entry = """
    INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book)
    VALUES (1, 'hold', 'NGN', %(amount)s, %(source)s, %(target)s)
    """

    with pytest.raises(DatabaseFault):
        world.run(entry, amount=amount, source=source, target=target)


def test_a_second_hold_of_a_batch_is_refused(world: World) -> None:
    world.send()

    with pytest.raises(DatabaseFault):
        world.run(
            "INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book, batch_id) "
            "SELECT account_id, kind, unit, amount, from_book, to_book, batch_id FROM ledger WHERE kind = 'hold'"
        )
