"""The number of statements does not depend on how many messages a portion or a receipt call has."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.stages.deliver import deliver
from pipeline.stages.settle import settle_on_arrival
from pipeline.store import message_moves
from pipeline.store.events import _RECORD
from schema.carriage import Receipt
from schema.vocabulary import ReceiptVerdict
from tests.transitions.statement_log import statements
from tests.world import World

FEW, MANY = 2, 40


def numbers(count: int) -> list[str]:
    return [f"+23480123456{place:02}" for place in range(count)]


def delivering(world: World, count: int) -> list[str]:
    """Return what is run to deliver one batch of so many messages."""
    [hint] = world.pay(world.submit(world.order(*numbers(count))))
    with statements(world.rt.engine) as run:
        deliver(world.rt, [hint.batch])
    return [statement for statement, _ in run]


def booking(world: World, count: int) -> list[str]:
    """Return what is run to apply the receipts of so many messages."""
    world.send(*numbers(count))
    refs = world.rows(
        "SELECT carrier_ref FROM provider_attempts WHERE NOT carrier_ref IN (SELECT carrier_ref FROM receipts)"
    )
    receipts = [
        Receipt("alpha", ref, ReceiptVerdict.DELIVERED, ref, None, code=None, at=None, raw="{}") for ref in refs
    ]
    with statements(world.rt.engine) as run:
        assert settle_on_arrival(world.rt, receipts) == count
    return [statement for statement, _ in run]


@pytest.mark.parametrize("work", [delivering, booking])
def test_many_messages_take_as_many_statements_as_few(world: World, work: Callable[[Any, int], list[str]]) -> None:
    work(world, FEW)  # what a process reads once

    few, many = work(world, FEW), work(world, MANY)

    assert many == few


@pytest.mark.parametrize("work", [delivering, booking])
def test_without_subscribing_accounts_no_statement_writes_events(
    world: World, work: Callable[[Any, int], list[str]]
) -> None:
    assert _RECORD not in work(world, FEW)


def test_receipts_of_messages_without_held_money_move_no_money(world: World) -> None:
    run = booking(world, FEW)

    assert message_moves._END in run
    assert message_moves._MOVE_MONEY not in run
