"""Local hours of campaigns: recipients get messages between these times of their own day, from claim to claim."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.rules.campaigns.local_hours import LocalHours
from pipeline.rules.campaigns.speed import limit_of
from pipeline.stages.campaigns.find import find
from pipeline.stages.deliver import deliver
from schema.message_class import MessageClass
from tests.stages.launched import Launched, numbers
from tests.world import World


def hours(world: World, begins: int, ends: int, offset: int = 60) -> dict[str, Any]:
    """Return a window by minutes from now, for a zone that is so many minutes ahead of UTC."""
    local = world.rt.now() + timedelta(minutes=offset)
    at = [local + timedelta(minutes=each) for each in (begins, ends)]
    return dict(zip(("hours_from", "hours_until"), (each.hour * 60 + each.minute for each in at), strict=True))


@pytest.mark.parametrize("written", ["09:00-18:00", "22:30-06:15"])
def test_hours_are_written_as_they_are_read(written: str) -> None:
    assert str(LocalHours.parse(written)) == written


@pytest.mark.parametrize(
    ("at", "is_quiet"),
    [("07:59", True), ("08:00", False), ("16:59", False), ("17:00", True)],  # 09:00 to 18:00 in Lagos
)
def test_the_rest_of_the_day_is_quiet(at: str, is_quiet: bool) -> None:
    moment = datetime.fromisoformat(f"2026-12-01T{at}:00").replace(tzinfo=UTC)

    quiet = LocalHours.parse("09:00-18:00").quiet_at(moment, MessageClass.BULK)
    found = quiet("+2348012345678", "NG", MessageClass.BULK)

    assert (found is not None) == is_quiet


def test_recipients_whose_hours_have_not_begun_wait_and_the_others_are_sent(world: World) -> None:
    """It is within the hours in Delhi (+5:30), and an hour too early in Lagos (+1)."""
    launched = Launched(world, [*numbers(2), "+919812345678"], **hours(world, 60, 600))
    launched.run()

    assert launched.counts == (3, 0, 0)
    assert world.rows("SELECT phone FROM messages WHERE status = 'sent'") == ["+919812345678"]
    [(status, due_at)] = world.rows("SELECT status, due_at FROM batches WHERE status <> 'done'")
    assert status == "scheduled"
    assert timedelta(minutes=58) < due_at - world.rt.now() < timedelta(minutes=61)


def test_a_recipient_s_own_time_zone_counts_instead_of_those_of_the_number(world: World) -> None:
    """It is within the hours in Delhi (+5:30) and too early in Lagos (+1): rows swap them; at the claim as well."""
    launched = Launched(world, [*numbers(2), "+919812345678"], **hours(world, 60, 600))
    zones = {2: "Asia/Kolkata", 4: "Africa/Lagos"}
    for line, zone in zones.items():
        world.run("UPDATE campaign_rows SET time_zone = %(zone)s WHERE line = %(line)s", zone=zone, line=line)
    hints = launched.expand()
    assert sorted(world.rows("SELECT size FROM batches WHERE status = 'queued'")) == [1]
    launched.deliver(hints)
    assert world.rows("SELECT phone FROM messages WHERE status = 'sent'") == numbers(1)

    world.make_due()
    waiting = world.rows("UPDATE batches SET status = 'queued', due_at = now() WHERE status = 'scheduled' RETURNING id")
    deliver(world.rt, waiting)
    assert sorted(world.rows("SELECT phone FROM messages WHERE status IS NULL")) == sorted(
        ["+919812345678", numbers(2)[1]]
    )
    assert world.rows("SELECT DISTINCT status FROM batches WHERE status <> 'done'") == ["waiting"]


def test_messages_that_are_claimed_after_the_hours_wait_until_they_begin_again(world: World) -> None:
    launched = Launched(world, numbers(2), **hours(world, -60, 60))
    hints = launched.expand()
    launched.set(**hours(world, -120, -60))

    assert deliver(world.rt, [hint.batch for hint in hints]) == []

    [(status, due_at)] = world.rows("SELECT status, due_at FROM batches WHERE status <> 'done'")
    assert status == "waiting"
    assert timedelta(hours=21) < due_at - world.rt.now() < timedelta(hours=23)
    assert world.rows("SELECT count(*) FROM provider_attempts") == [0]


def test_a_recipient_who_cannot_be_sent_to_before_the_campaign_expires_is_skipped(world: World) -> None:
    until = world.rt.now() + timedelta(minutes=30)
    launched = Launched(world, numbers(1), valid_until=until, **hours(world, 60, 600))
    launched.run()

    assert launched.counts == (0, 1, 0)
    assert launched.rows("verdict") == ["quiet_hours"]


def test_a_test_campaign_is_sent_at_any_time(world: World) -> None:
    launched = Launched(world, numbers(1), test=True, **hours(world, 60, 600))
    launched.run()

    assert world.rows("SELECT status FROM messages") == ["sent"]


def test_a_campaign_is_spread_over_hours_unless_it_has_a_limit_an_hour(world: World) -> None:
    limits: list[dict[str, Any]] = [{}, {"per_hour": 70}]
    made = [Launched(world, numbers(1), spread_hours=4.0, **each) for each in limits]
    spread, limited = (find(world.rt, None, str(each.id)) for each in made)

    assert limit_of(spread, 1000).per_hour == 250
    assert limit_of(limited, 1000).per_hour == 70
