"""Operators control campaigns: each call finds what the one before it left, and the clock does the rest."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest

from pipeline.errors import Conflict, InvalidInput, NotFound
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.advance import STALE, advance
from schema.vocabulary import CampaignState
from tests.stages.launched import Launched, numbers
from tests.world import World
from workers.campaign_wiring import expand_portion


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def idle(campaign: Launched) -> None:
    """Let a campaign be one on which nothing was done for a while."""
    campaign.progress("worked_at", campaign.rt.now() - timedelta(seconds=STALE + 1))


def states(world: World) -> list[str]:
    return world.rows(
        "SELECT after ->> 'state' FROM audit_log WHERE subject_table = 'campaigns' AND after ? 'state' ORDER BY id"
    )


def test_an_approved_campaign_is_started_paused_resumed_and_aborted(world: World) -> None:
    campaign = Launched(world, numbers(3), CampaignState.APPROVED)

    assert control.start(world.rt, campaign.id) is CampaignState.RUNNING
    assert control.pause(world.rt, campaign.id, "wrong text") is CampaignState.PAUSED
    assert campaign.reason == "wrong text"
    assert control.resume(world.rt, campaign.id) is CampaignState.RUNNING
    assert not campaign.reason
    assert control.abort(world.rt, campaign.id) is CampaignState.ABORTED

    assert campaign.counts == (0, 0, 3)
    assert states(world) == ["approved", "running", "paused", "running", "aborted"]


@pytest.mark.parametrize(
    ("state", "operation", "words"),
    [
        (CampaignState.QUOTED, control.start, "cannot be started"),
        (CampaignState.PAUSED, control.pause, "cannot be paused; possible now: resume, abort, limit"),
        (CampaignState.RUNNING, control.resume, "cannot be resumed"),
        (CampaignState.FINISHED, control.abort, "nothing more can be done with it"),
    ],
)
def test_what_the_state_does_not_allow_is_a_conflict(
    world: World, state: CampaignState, operation: Callable[..., object], words: str
) -> None:
    campaign = Launched(world, numbers(1), state)

    with pytest.raises(Conflict, match=words):
        operation(world.rt, campaign.id)
    with pytest.raises(NotFound):
        operation(world.rt, world.rt.new_ids())


def test_a_campaign_waits_for_its_send_time_also_after_a_pause(world: World) -> None:
    later = world.rt.now() + timedelta(hours=1)
    campaign = Launched(world, numbers(2), CampaignState.APPROVED, send_at=later)

    assert control.start(world.rt, campaign.id) is CampaignState.SCHEDULED
    control.pause(world.rt, campaign.id)
    assert control.resume(world.rt, campaign.id) is CampaignState.SCHEDULED
    idle(campaign)
    assert advance(world.rt).expand == []
    campaign.set(send_at=world.rt.now())
    advance(world.rt)

    assert campaign.state == "running"


def test_a_quote_that_has_expired_makes_the_campaign_stale(world: World) -> None:
    campaign = Launched(world, numbers(2), CampaignState.APPROVED, quote_until=world.rt.now())

    with pytest.raises(Conflict, match="its quote is too old: check and approve it again"):
        control.start(world.rt, campaign.id)

    assert campaign.state == "stale"


def test_a_new_limit_counts_from_its_change(world: World) -> None:
    campaign = Launched(world, numbers(30), per_hour=1)

    changed = control.limit(world.rt, campaign.id, per_hour=0, segments_per_second=2.5)

    assert (changed.per_hour, changed.segments_per_second) == (None, 2.5)
    world.run("UPDATE campaign_progress SET paced_from = paced_from - interval '4 seconds'")
    campaign.expand(portions=1)
    assert campaign.counts[0] >= 10
    with pytest.raises(InvalidInput):
        control.limit(world.rt, campaign.id, per_hour=-1)


def test_the_clock_hints_a_running_campaign_until_each_row_has_its_outcome_then_finishes_it(world: World) -> None:
    campaign = Launched(world, numbers(2))
    assert advance(world.rt).expand == []  # something was done a moment ago

    idle(campaign)
    assert [advance(world.rt).expand for _ in range(2)] == [[campaign.id], []]
    hints = campaign.expand()
    idle(campaign)
    assert advance(world.rt).expand == [campaign.id]
    assert campaign.state == "running"
    campaign.deliver(hints)
    idle(campaign)
    advance(world.rt)

    assert (campaign.state, campaign.counts) == ("finished", (2, 0, 0))


@pytest.mark.parametrize("state", ["running", "paused", "scheduled"])
def test_a_campaign_whose_validity_has_ended_expires(world: World, state: str) -> None:
    campaign = Launched(world, numbers(3))
    world.rt.settings = world.rt.settings.model_copy(update={"campaign_ahead": 1})
    campaign.deliver(campaign.expand())
    campaign.set(state="paused")
    if state != "paused":
        campaign.set(state=state)

    campaign.set(valid_until=world.rt.now())
    if state == "paused":
        with pytest.raises(Conflict, match="validity"):
            control.resume(world.rt, campaign.id)
    idle(campaign)
    advance(world.rt)

    assert (campaign.state, campaign.counts) == ("expired", (1, 0, 2))


def test_racing_calls_leave_one_consistent_story(world: World, settings: Settings) -> None:
    rt = Runtime(settings.model_copy(update={"pool_size": 10, "campaign_ahead": 3}))
    campaign = Launched(world, numbers(400))
    calls = [control.pause, control.resume] * 24 + [control.abort] * 2
    random.shuffle(calls)

    def call(operation: Callable[..., CampaignState]) -> CampaignState | None:
        expand_portion(rt, campaign.id)
        try:
            return operation(rt, campaign.id)
        except Conflict:
            return None

    with ThreadPoolExecutor(10) as threads:
        done = [state for state in threads.map(call, calls) if state]

    story = states(world)
    assert story[0] == "running"
    assert sorted(story[1:]) == sorted(map(str, done))
    assert all(before != after for before, after in pairwise(story))
    assert (story[-1], campaign.state) == ("aborted", "aborted")
    sent, skipped, left_out = campaign.counts
    assert sent == len(campaign.messages()) == world.rows("SELECT count(*) FROM messages")[0]
    assert sent + left_out == 400
    assert skipped == 0
    rt.close()
