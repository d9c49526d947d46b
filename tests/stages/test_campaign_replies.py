"""Inbound messages that answer a campaign: which campaign, its counts, and its results."""

import itertools
from datetime import timedelta

import pytest

from pipeline.rules.identity import ids
from pipeline.stages import inbound
from pipeline.stages.api.list_inbound import list_inbound
from pipeline.stages.campaigns.results import result_page, standing
from schema.carriage import Inbound
from schema.vocabulary import CampaignState
from tests.stages.launched import Launched, numbers
from tests.world import World

NUMBER = "+447700900100"

_keys = itertools.count(1)


def receive(world: World, *texts: tuple[str, str, str]) -> None:
    """Let messages (from, to, text) come in, one after the other, and be handled together."""
    for phone, to, body in texts:
        inbound.keep(world.rt, [Inbound("alpha", f"r{next(_keys)}", phone, to, body, at=None)])
    inbound.reply(world.rt)


def test_replies_and_opt_outs_are_counted_for_the_campaign_that_wrote_last(world: World) -> None:
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (1, %(sender)s)", sender=NUMBER)
    ada, ben, eva, unknown = numbers(4)
    first = Launched(world, [ada, ben, eva], sender=NUMBER)
    first.run()
    second = Launched(world, [ada], sender=NUMBER)
    second.run()
    Launched(world, [ben], CampaignState.DRAFT, sender=NUMBER, started_at=None)
    Launched(world, [ben]).run()  # from another sender
    waiting = Launched(world, [ben], sender=NUMBER)
    waiting.expand()  # not sent yet
    long = [Inbound("alpha", f"p{n}", ben, NUMBER, "x" * 4, at=None, part_ref=7, part=n, of=2) for n in (1, 2)]

    inbound.keep(world.rt, long)
    receive(world, (ada, NUMBER[1:], "yes"), (ben, NUMBER, "STOP"), (ben, NUMBER, "STOP"), (unknown, NUMBER, "who?"))
    receive(world, (ada, NUMBER, "START"), (eva, "ACME", "no"))

    progress = {each.id: standing(world.rt, each.id).progress for each in (first, second, waiting)}
    assert [(each.replies, each.opt_outs) for each in progress.values()] == [(3, 1), (2, 0), (0, 0)]
    rows = result_page(world.rt, first.id, 0, 10)
    assert [(row.number, row.replies, row.opted_out) for row in rows] == [
        *((ada, 0, False), (ben, 3, True), (eva, 0, False))
    ]
    shown = list_inbound(world.rt, world.account, None, 10, since=None, until=None).messages
    assert sorted((each.phone, each.answered) for each in shown if each.answered) == sorted(
        [*[(ada, second.id)] * 2, *[(ben, first.id)] * 3]
    )


def test_a_campaign_that_has_ended_is_answered_for_a_week(world: World) -> None:
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (1, %(sender)s)", sender=NUMBER)
    [ada] = numbers(1)
    campaign = Launched(world, [ada], sender=NUMBER)
    campaign.run()
    campaign.set(state="finished", ended_at=world.rt.now())

    receive(world, (ada, NUMBER, "yes"))
    world.run("UPDATE campaigns SET ended_at = now() - interval '8 days'")
    receive(world, (ada, NUMBER, "and again"))

    assert standing(world.rt, campaign.id).progress.replies == 1


def test_a_campaign_that_was_created_long_before_its_send_time_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (1, %(sender)s)", sender=NUMBER)
    [ada] = numbers(1)
    with monkeypatch.context() as then:
        then.setattr(type(world.rt), "new_ids", lambda rt: ids.new_ids(rt.now() - timedelta(days=300), 1))
        campaign = Launched(world, [ada], sender=NUMBER)
    campaign.run()

    receive(world, (ada, NUMBER, "yes"))

    assert standing(world.rt, campaign.id).progress.replies == 1
