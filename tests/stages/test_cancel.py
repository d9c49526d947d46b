from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pipeline.stages.admin.audit import audit
from pipeline.stages.cancel import cancel
from pipeline.stages.promote import promote
from tests.world import World, message_ids


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def scheduled(world: World, *numbers: str) -> list[Any]:
    [answer] = world.submit(world.order(*numbers, send_at=datetime.now(UTC) + timedelta(hours=1)))
    world.pay([answer])
    return list(answer.messages)


def test_a_scheduled_message_can_be_cancelled(world: World) -> None:
    first, _ = scheduled(world, "+2348012345678", "+2348012345679")

    found = cancel(world.rt, world.account, [first])

    assert (found.cancelled, found.too_late, found.unknown) == ({first}, set(), set())
    assert world.rows("SELECT status, money FROM messages ORDER BY id") == [("cancelled", "released"), (None, "held")]
    assert world.balance() == 1_000_000 - 400


def test_a_cancelled_message_is_not_sent_with_its_batch(world: World) -> None:
    first, second = scheduled(world, "+2348012345678", "+2348012345679")
    cancel(world.rt, world.account, [first])

    world.make_due()
    world.deliver_all(promote(world.rt))

    assert world.rows("SELECT message_id FROM provider_attempts") == [second]
    assert [world.status(first), world.status(second)] == ["cancelled", "sent"]


def test_a_message_can_be_cancelled_before_it_is_billed(world: World) -> None:
    order = world.order("+2348012345678", "+2348012345679", send_at=datetime.now(UTC) + timedelta(hours=1))
    [answer] = world.submit(order)
    first, second = message_ids(answer)

    assert cancel(world.rt, world.account, [first]).cancelled == {first}
    world.pay([answer])

    assert [world.status(first), world.status(second)] == ["cancelled", ""]
    assert world.balance() == 1_000_000 - 400


def test_a_message_that_is_due_cannot_be_cancelled(world: World) -> None:
    [message] = scheduled(world)
    world.make_due()

    assert cancel(world.rt, world.account, [message]).too_late == {message}

    promote(world.rt)
    assert cancel(world.rt, world.account, [message]).too_late == {message}


def test_cancelling_twice_releases_the_money_once(world: World) -> None:
    [message] = scheduled(world)

    assert cancel(world.rt, world.account, [message]).cancelled == {message}
    assert cancel(world.rt, world.account, [message]).too_late == {message}
    assert world.balance() == 1_000_000


def test_messages_of_another_account_are_unknown(world: World) -> None:
    [message] = scheduled(world)
    nobodys = uuid4()

    found = cancel(world.rt, world.account + 1, [message, nobodys])

    assert found.unknown == {message, nobodys}
    assert world.status(message) == ""


def test_a_message_that_is_not_scheduled_cannot_be_cancelled(world: World) -> None:
    [answer] = world.submit(world.order())
    world.pay([answer])

    assert cancel(world.rt, world.account, message_ids(answer)).too_late == set(answer.messages)
