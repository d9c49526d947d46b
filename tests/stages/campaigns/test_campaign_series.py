"""Series of campaigns: the clock creates, checks, approves and starts what follows, or says why it waits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.errors import Conflict, InvalidInput, NotFound
from pipeline.runtime import Runtime, acting
from pipeline.settings import Settings
from pipeline.stages.admin.accounts import set_four_eyes
from pipeline.stages.admin.compliance import opt_out
from pipeline.stages.admin.prices import set_price
from pipeline.stages.campaigns import control, occurrences
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.create import change
from pipeline.stages.campaigns.find import find
from pipeline.stages.campaigns.load import load
from pipeline.stages.campaigns.occurrences import NextStep, prepare
from pipeline.stages.campaigns.series import create_next, end_repeat, read_series
from schema.actor import Actor
from schema.campaign import Campaign
from schema.vocabulary import ActorKind
from tests.campaigns import checked, counts, draft, now, quote_of, rows_of, verdicts
from tests.world import World
from workers.campaign_wiring import advance_campaigns, check_campaign, expand_campaign, prepare_campaign

ADA, BEN, EVA = "+2348012345678", "+2348012345679", "+2348012345670"

WORK: dict[str, Callable[[Runtime, UUID], object]] = {
    "sms.campaign.check": check_campaign,
    "sms.campaign.prepare": prepare_campaign,
    "sms.campaign.expand": lambda rt, id_: list(expand_campaign(rt, id_)),
}


def started(world: World, *numbers: str, **fields: Any) -> Campaign:
    """Return the first campaign of a daily series, approved and scheduled in an hour."""
    daily: dict[str, Any] = {"repeat": "FREQ=DAILY", "time_zone": "UTC", "send_at": world.rt.now() + timedelta(hours=1)}
    made = checked(world, draft(world, rows_of(*numbers or (ADA, BEN)), **daily | fields))
    approve(world.rt, made.id)
    control.start(world.rt, made.id)
    return now(world, made)


def pass_time(world: World, days: float = 1) -> None:
    """Let a series be so many days older."""
    hours = timedelta(days=days)
    ordered = "SELECT id FROM campaigns WHERE series_id IS NOT NULL ORDER BY occurs_on"
    for id_ in world.rows(ordered):  # one by one: their days differ
        world.run(
            """
            UPDATE campaigns SET send_at = send_at - %(by)s, valid_until = valid_until - %(by)s,
                occurs_on = ((send_at - %(by)s) AT TIME ZONE time_zone)::date, repeat_next_at = repeat_next_at - %(by)s
            WHERE id = %(id)s
            """,
            by=hours,
            id=id_,
        )


def tick(world: World, times: int = 4) -> None:
    """Let the clock come, and do what it hints: it creates, copies and begins the check, checks, approves."""
    for _ in range(times):
        world.run("UPDATE campaign_progress SET worked_at = worked_at - interval '1 minute'")
        for call in advance_campaigns(world.rt):
            WORK[call.task](world.rt, UUID(str(call.args[0])))


def campaigns_of(world: World) -> list[Campaign]:
    ids = world.rows("SELECT id FROM campaigns WHERE series_id IS NOT NULL ORDER BY occurs_on")
    return [find(world.rt, None, str(each)) for each in ids]


def test_what_follows_is_checked_anew_approved_as_the_first_was_and_scheduled(world: World) -> None:
    rows = [*rows_of(ADA, BEN, ADA, EVA), *rows_of("12", first=6)]
    day = world.rt.now() + timedelta(hours=1)
    daily: dict[str, Any] = {"repeat": "FREQ=DAILY;COUNT=3", "time_zone": "UTC", "send_at": day, "canary": 1}
    made = checked(world, draft(world, rows, valid_until=day + timedelta(hours=5), **daily))
    first = approve(world.rt, made.id)
    tick(world)
    assert len(campaigns_of(world)) == 1  # it is not started yet
    control.start(world.rt, made.id)
    tick(world)
    assert len(campaigns_of(world)) == 1  # there is a day left
    opt_out(world.rt, "acme", BEN)
    series = read_series(world.rt, now(world, made))
    assert series is not None
    assert [each - day.replace(microsecond=0) for each in series.times] == [timedelta(days=1), timedelta(days=2)]

    pass_time(world)
    tick(world)

    _, second = campaigns_of(world)
    assert second.send_at is not None
    assert second.name == f"spring-{second.send_at:%Y-%m-%d}"
    assert (second.state, second.series_id, second.approved_with) == ("scheduled", first.id, first.id)
    assert (second.approved_by, second.max_cost, second.created_by) == (first.approved_by, 800, first.created_by)
    assert timedelta(0) < second.send_at - world.rt.now() < timedelta(hours=1)
    assert second.valid_until == second.send_at + timedelta(hours=5)
    assert verdicts(world, second) == {2: None, 3: "opted_out", 4: "duplicate", 5: None, 6: "phone_invalid"}
    assert (counts(world, second).rows, quote_of(second).total.messages) == (5, 2)
    assert world.rows("SELECT count(*) FROM campaign_rows WHERE canary") == [2]

    pass_time(world)
    tick(world, 5)
    assert [each.name for each in campaigns_of(world)][:1] == ["spring"]
    assert [str(each.state) for each in campaigns_of(world)][2:] == ["scheduled"]
    pass_time(world)
    tick(world)
    series = read_series(world.rt, second)
    assert series is not None
    assert (len(campaigns_of(world)), series.times, series.first.repeat_next_at) == (3, [], None)


def test_what_the_approval_does_not_cover_waits_for_a_person_whose_approval_covers_later_ones(world: World) -> None:
    first = started(world, canary=1)
    set_price(world.rt, "*", None, 500, "acme")
    pass_time(world)
    tick(world)
    second = campaigns_of(world)[-1]
    assert (second.state, second.approved_by) == ("quoted", None)
    assert second.reason == "it costs 10.00 NGN, more than the 8.00 NGN approved for campaign 'spring'"

    approve(world.rt, second.id)
    pass_time(world)
    tick(world)
    third = campaigns_of(world)[-1]
    assert (third.state, third.approved_with, third.max_cost) == ("scheduled", second.id, 1000)

    world.run("UPDATE campaigns SET body = 'Bye ${name}' WHERE id = %(id)s", id=first.id)
    pass_time(world)
    tick(world)
    fourth = campaigns_of(world)[-1]
    assert (fourth.state, fourth.body) == ("quoted", "Bye ${name}")
    assert fourth.reason == "its text has changed since campaign " + repr(second.name) + " was approved"

    world.run("UPDATE campaigns SET body = 'Hello ${name}' WHERE id = %(id)s", id=first.id)
    set_four_eyes(world.rt, "acme", 999)
    pass_time(world)
    tick(world)
    assert campaigns_of(world)[-1].reason == "its account requires a second person at this cost"


def test_another_authenticated_approver_covers_later_ones_above_the_amount_of_four_eyes(world: World) -> None:
    set_four_eyes(world.rt, "acme", 799)
    daily: dict[str, Any] = {"repeat": "FREQ=DAILY", "time_zone": "UTC"}
    token = acting.set(Actor(ActorKind.OS_USER, "ada", "here", "campaign create"))
    made = checked(world, draft(world, rows_of(ADA, BEN), send_at=world.rt.now() + timedelta(hours=1), **daily))
    acting.set(Actor(ActorKind.OS_USER, "ben", "here", "campaign approve"))
    approve(world.rt, made.id)
    acting.reset(token)
    control.start(world.rt, made.id)
    pass_time(world)
    tick(world)

    second = campaigns_of(world)[-1]
    assert (second.state, second.created_by, second.approved_by) == ("scheduled", "os_user:ada", "os_user:ben")


def test_an_approval_covers_no_recipients_that_were_loaded_after_it(world: World) -> None:
    first = started(world)
    set_price(world.rt, "*", None, 500, "acme")
    pass_time(world)
    tick(world)
    second = campaigns_of(world)[-1]
    approve(world.rt, second.id)
    world.run("UPDATE campaigns SET quote_until = now() - interval '1 hour' WHERE id = %(id)s", id=second.id)
    with pytest.raises(Conflict, match="check and approve it again"):
        control.start(world.rt, second.id)
    load(world.rt, second.id, rows_of(EVA, first=9))
    assert now(world, second).approved_at is None

    set_price(world.rt, "*", None, 100, "acme")
    pass_time(world)
    tick(world)

    third = campaigns_of(world)[-1]
    assert (third.state, third.max_cost, counts(world, third).rows) == ("quoted", None, 3)
    assert third.reason == f"its recipients have changed since campaign {first.name!r} was approved"


def test_what_was_approved_for_a_series_is_not_started_once_that_has_ended(world: World) -> None:
    started(world)
    pass_time(world)
    tick(world, 3)
    second = campaigns_of(world)[-1]
    assert prepare(world.rt, second.id) is NextStep.PREPARE
    assert now(world, second).state == "approved"

    end_repeat(world.rt, second.id, "no longer")
    tick(world)

    waiting = now(world, second)
    assert (waiting.state, waiting.reason) == ("approved", "its series has ended: no longer")
    assert control.start(world.rt, second.id) == "scheduled"  # by a person


def test_a_series_that_cannot_go_on_here_hinders_no_other(world: World) -> None:
    """As where another host, whose tz database is newer, has taken a time zone that this one does not know."""
    first = started(world)
    started(world, name="other")
    pass_time(world)
    world.run("UPDATE campaigns SET time_zone = 'Mars/North' WHERE id = %(id)s", id=first.id)
    tick(world)

    assert [(each.name[:5], str(each.state)) for each in campaigns_of(world)][2:] == [("other", "scheduled")]


def test_a_pause_holds_the_series_an_abort_does_not_and_its_end_is_final(world: World) -> None:
    first = started(world)
    control.pause(world.rt, first.id)
    pass_time(world)
    tick(world)
    series = read_series(world.rt, first)
    assert series is not None
    assert (len(campaigns_of(world)), series.held_by) == (1, "spring")

    control.resume(world.rt, first.id)
    control.abort(world.rt, first.id)
    tick(world, 3)
    second = campaigns_of(world)[-1]
    assert (len(campaigns_of(world)), second.state) == (2, "quoted")
    left = end_repeat(world.rt, second.id, "no longer")
    tick(world)
    pass_time(world, 3)
    tick(world)

    assert [each.id for each in left] == [second.id]
    waiting = campaigns_of(world)[-1]
    assert (len(campaigns_of(world)), waiting.state) == (2, "quoted")
    assert waiting.reason == "its series has ended: no longer"
    with pytest.raises(Conflict, match="has ended already: no longer"):
        end_repeat(world.rt, first.id)
    with pytest.raises(Conflict, match="does not repeat"):
        end_repeat(world.rt, draft(world, name="once").id)
    with pytest.raises(NotFound):
        end_repeat(world.rt, world.rt.new_ids())


def test_a_missed_one_is_sent_late_while_it_is_valid_and_left_out_after_that(world: World) -> None:
    later = {"valid_until": world.rt.now() + timedelta(hours=3)}
    started(world, **later)
    pass_time(world, 1 + 2 / 24)  # its time was an hour ago, its validity ends in an hour
    tick(world)
    assert [str(each.state) for each in campaigns_of(world)][1:] == ["running"]

    pass_time(world, 3.25)  # three are missed, the next one is sent in 17 hours
    tick(world)
    first = campaigns_of(world)[0]
    assert first.repeat_next_at is not None
    assert (len(campaigns_of(world)), first.repeat_next_at > world.rt.now()) == (2, True)


def test_a_series_ends_with_the_reason_when_its_recipients_are_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occurrences, "PORTION", 1)
    first = started(world)
    pass_time(world)
    tick(world, 1)
    second = campaigns_of(world)[-1]
    assert prepare(world.rt, second.id) is NextStep.PREPARE
    for step in (lambda: start_check(world.rt, second.id), lambda: load(world.rt, second.id, rows_of(EVA, first=9))):
        with pytest.raises(Conflict, match="is being made by its series"):
            step()
    world.run("DELETE FROM campaign_rows WHERE campaign_id = %(id)s", id=first.id)
    tick(world, 2)
    gone = "its recipients are not kept any more"
    assert [(each.state, each.reason) for each in campaigns_of(world)[1:]] == [("failed", gone)]
    assert now(world, first).repeat_ended == gone

    other = started(world, name="other")
    world.run("DELETE FROM campaign_rows WHERE campaign_id = %(id)s", id=other.id)
    pass_time(world)
    tick(world, 1)
    assert (now(world, other).repeat_ended, len(campaigns_of(world))) == (gone, 3)


def test_several_clocks_create_and_copy_once(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "PORTION", 7)
    numbers = [f"+23480{12_000_000 + place}" for place in range(40)]
    started(world, *numbers)
    pass_time(world)
    rt = Runtime(settings.model_copy(update={"pool_size": 4}))
    with ThreadPoolExecutor(4) as threads:
        made = sum(threads.map(lambda _: create_next(rt), range(8)))
        second = campaigns_of(world)[-1]
        list(threads.map(lambda _: prepare(rt, second.id), range(16)))
    rt.close()

    assert (made, len(campaigns_of(world)), now(world, second).state) == (1, 2, "checking")
    copied = world.rows("SELECT phone FROM campaign_rows WHERE campaign_id = %(id)s ORDER BY line", id=second.id)
    assert (copied, counts(world, second).rows) == (numbers, 40)
    assert world.rows("SELECT count(DISTINCT digest) FROM campaign_progress") == [1]
    tick(world, 2)
    assert now(world, second).state == "scheduled"


def test_a_definition_that_cannot_repeat_is_refused_with_its_field(world: World) -> None:
    daily: dict[str, Any] = {
        "repeat": "FREQ=DAILY",
        "time_zone": "Europe/Paris",
        "send_at": world.rt.now() + timedelta(hours=1),
    }
    for wrong, words in (
        ({"repeat": "FREQ=HOURLY"}, "repeat: cannot have FREQ=HOURLY"),
        ({"repeat": "FREQ=MONTHLY;INTERVAL=4"}, "repeat: its times are more than 90 days apart"),
    ):
        with pytest.raises(InvalidInput, match=words):
            draft(world, **daily | wrong)
    for lacking, words in (
        ({"time_zone": "Europe/Lutetia"}, "must be a time zone of the IANA database"),
        ({"time_zone": "localtime"}, "must be a time zone of the IANA database"),
        ({"send_at": None}, "repeat needs time_zone, and send_at"),
        ({"repeat": None}, "time_zone is that of repeat"),
    ):
        with pytest.raises(ValueError, match=words):
            draft(world, **daily | lacking)

    made = draft(world, **daily)
    assert change(world.rt, made.id, {"repeat": None, "time_zone": None}).series_id is None
    assert change(world.rt, made.id, {"repeat": "FREQ=DAILY", "time_zone": "UTC"}).series_id == made.id
    started(world, name="other")
    pass_time(world)
    tick(world, 3)
    with pytest.raises(InvalidInput, match="repeat: is that of its series"):
        change(world.rt, campaigns_of(world)[-1].id, {"repeat": "FREQ=WEEKLY"})
