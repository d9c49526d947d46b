"""What needs a person, found in a real database and Valkey."""

import pytest

from pipeline.stages import dead_letters
from pipeline.stages.admin.attention import BrokerView, read_attention
from pipeline.stages.heartbeat import tick
from schema.concern import Concern
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource
from tests.campaigns import draft
from tests.world import World

BROKER = BrokerView(is_up=True, workers={"worker": 1})


def concerns(world: World) -> dict[Concern, tuple[str, int | None]]:
    return {each.concern: (each.subject, each.count) for each in read_attention(world.rt, BROKER).items}


def test_an_installation_whose_clock_ticks_needs_nobody(world: World) -> None:
    tick(world.rt)

    found = read_attention(world.rt, BROKER)

    assert found.items == []
    assert found.state.ticked_at is not None


@pytest.mark.unsound("its batches are written as they would be after an hour")
def test_what_waits_in_the_database_is_found(world: World) -> None:
    tick(world.rt)
    [accepted] = world.submit(world.order("+2348012345678", **{"class": "bulk"}))
    world.run(
        "UPDATE batches SET status = 'queued', queued_at = now() - interval '1 hour',"
        " due_at = now() - interval '1 hour'"
    )
    world.run("UPDATE carriers SET state = 'drained', reason = 'low_balance' WHERE name = 'alpha'")
    dead_letters.keep(world.rt, [DeadLetter(DeadLetterSource.SMPP, "alpha", "unreadable", b"x")] * 2)

    assert concerns(world) == {
        Concern.MESSAGES_LATE: ("carrier alpha", 1),
        Concern.CARRIER_UNPAID: ("carrier alpha", None),
        Concern.DEAD_LETTERS: ("smpp dead letters", 2),
    }

    world.run("UPDATE batches SET held = 'carrier' WHERE id = ANY(%(ids)s)", ids=accepted.batches)

    assert concerns(world)[Concern.NO_CARRIER] == ("carrier alpha", 1)


def test_campaigns_that_stopped_by_themselves_are_found_and_others_are_not(world: World) -> None:
    tick(world.rt)
    moved(world, "gated", "paused", "gate")
    moved(world, "by hand", "paused", "person")
    moved(world, "failed", "failed", None)
    draft(world, name="spring")

    found = read_attention(world.rt, BROKER).items

    assert {(each.concern, each.subject) for each in found} == {
        (Concern.CAMPAIGN_STOPPED, "campaign gated"),
        (Concern.CAMPAIGN_STOPPED, "campaign failed"),
    }
    assert all(each.since is not None for each in found)


def moved(world: World, name: str, state: str, cause: str | None) -> None:
    """Add a campaign that came into that state."""
    id_ = draft(world, name=name).id
    for passed in ("checking", *(() if state == "failed" else ("quoted", "approved", "running")), state):
        world.run("UPDATE campaigns SET state = %(state)s WHERE id = %(id)s", id=id_, state=passed)
    world.run(
        "INSERT INTO campaign_events (id, campaign_id, state, cause, at)"
        " VALUES (%(event)s, %(id)s, %(state)s, %(cause)s, now())",
        event=world.rt.new_ids(),
        id=id_,
        state=state,
        cause=cause,
    )
