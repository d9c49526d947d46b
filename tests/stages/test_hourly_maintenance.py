"""Hourly maintenance: old events are deleted, except those that still have a delivery to make."""

from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr

from pipeline.dialects.registry import DIALECTS
from pipeline.rules.identity import ids
from pipeline.settings import Settings
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.hourly_maintenance import maintain
from pipeline.store import events
from tests.dialects.vendors import Vendor
from tests.world import World, message_ids


@pytest.fixture
def settings(settings: Settings) -> Settings:
    key = SecretStr("a secret of these tests, long enough")
    return settings.model_copy(update={"secret_key": key, "webhook_days": 30})


@pytest.fixture(autouse=True)
def _reported(world: World) -> None:
    """An endpoint that hears of everything."""
    webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.ROBASE], "https://hooks.example.org/sms")


def age(world: World, message: UUID, days: float) -> None:
    """Let a message's moves be so many days old; their calls stay as they are."""
    first = ids.new_ids(world.rt.now() - timedelta(days=days), message.int & 0xFFFFFFFF)
    for place, old in enumerate(world.rows("SELECT id FROM events WHERE message_id = %(id)s", id=message)):
        names = {"new": ids.after(first, place), "old": old}
        world.run("UPDATE events SET id = %(new)s, at = at - interval '31 days' WHERE id = %(old)s", **names)
        world.run("UPDATE webhook_deliveries SET event_id = %(new)s WHERE event_id = %(old)s", **names)


def finish(world: World, message: UUID, status: str = "queued") -> None:
    world.run(
        "UPDATE webhook_deliveries SET state = 'delivered', done_at = now()"
        " WHERE message_id = %(id)s AND status = %(status)s",
        id=message,
        status=status,
    )


def kept(world: World) -> list[tuple[UUID, str]]:
    return sorted(world.rows("SELECT message_id, status FROM events"))


def test_events_are_deleted_after_thirty_days(world: World) -> None:
    old, young = (message_ids(world.send())[0] for _ in range(2))
    for message in (old, young):
        finish(world, message)
        finish(world, message, "sent")
    age(world, old, 30.1)
    age(world, young, 29.9)

    maintain(world.rt)

    assert kept(world) == [(young, "queued"), (young, "sent")]


def test_an_event_with_an_outstanding_delivery_is_kept(world: World) -> None:
    message = message_ids(world.send())[0]
    finish(world, message, "queued")
    age(world, message, 60)

    maintain(world.rt)
    waiting = kept(world)
    finish(world, message, "sent")
    maintain(world.rt)

    assert waiting == [(message, "sent")]
    assert kept(world) == []


def test_old_events_of_a_suspended_endpoint_are_deleted_with_their_deliveries(world: World) -> None:
    message = message_ids(world.send())[0]
    age(world, message, 31)
    world.run("UPDATE webhook_endpoints SET state = 'suspended'")
    world.run("UPDATE webhook_deliveries SET at = at - interval '31 days'")

    maintain(world.rt)

    assert kept(world) == []
    assert world.rows("SELECT count(*) FROM webhook_deliveries") == [0]


def test_old_events_are_found_by_an_index(world: World) -> None:
    world.run(
        "INSERT INTO events (id, account_id, message_id, status, at)"
        " SELECT uuidv7(), 1, uuidv7(), 'sent', now() FROM generate_series(1, 20000)"
    )
    world.run("ANALYZE events")

    with world.rt.begin() as conn:
        before = ids.lowest(world.rt.now() - timedelta(days=30))
        plan = "\n".join(conn.exec_driver_sql("EXPLAIN " + events._PRUNE, {"before": before}).scalars())

    assert "Seq Scan on events" not in plan, plan


@pytest.mark.parametrize(
    ("days", "handled", "reply", "kept"),
    [
        (89, True, None, 1),
        (91, True, None, 0),
        pytest.param(91, False, None, 1, id="nobody looked at it yet"),
        pytest.param(91, True, "thank you", 1, id="its answer is still to be written"),
    ],
)
def test_inbound_messages_are_deleted_after_ninety_days_once_handled_and_answered(
    world: World, days: float, handled: bool, reply: str | None, kept: int
) -> None:
    world.run(
        """
        INSERT INTO inbound_messages (id, carrier, key, phone, sender, body, handled_at, reply)
        SELECT %(id)s, 'alpha', '1', '+2348012345678', '1234', 'hello', CASE WHEN %(handled)s THEN now() END, %(reply)s
        """,
        id=ids.new_ids(world.rt.now() - timedelta(days=days), 1),
        handled=handled,
        reply=reply,
    )

    maintain(world.rt)

    assert world.rows("SELECT count(*) FROM inbound_messages") == [kept]
