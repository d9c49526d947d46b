"""Approve a campaign's quote: what it binds, until when, and by whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from pipeline.errors import Conflict, InvalidInput
from pipeline.runtime import acting
from pipeline.stages.admin.accounts import set_four_eyes
from pipeline.stages.admin.prices import set_price
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.control import start
from pipeline.stages.campaigns.create import change
from pipeline.stages.campaigns.exclude import exclude_numbers
from pipeline.stages.campaigns.load import load
from schema.actor import Actor
from schema.campaign import Campaign
from schema.vocabulary import ActorKind
from tests.campaigns import checked, counts, draft, now, rows_of
from tests.world import World
from workers.campaign_wiring import expand_portion


@contextmanager
def acts_as(kind: ActorKind, name: str, claimed: str | None = None) -> Iterator[None]:
    """Have an actor make the changes of a block."""
    before = acting.set(Actor(kind, name, "here", "campaign approve", claimed))
    try:
        yield
    finally:
        acting.reset(before)


def quoted(world: World, name: str = "spring") -> Campaign:
    """Return a quoted campaign of two recipients, 800 minor units, that the user ada created."""
    with acts_as(ActorKind.OS_USER, "ada"):
        return checked(world, draft(world, rows_of("+2348012345678", "+2348012345679"), name))


def test_an_approved_quote_is_the_most_that_the_campaign_costs(world: World) -> None:
    made = quoted(world)

    with pytest.raises(Conflict, match=r"costs 8.00 NGN, more than 7.99 NGN"):
        approve(world.rt, made.id, max_cost=799)
    assert now(world, made).state == "quoted"
    approved = approve(world.rt, made.id, max_cost=800)

    assert (approved.state, approved.max_cost, approved.approved_by) == ("approved", 800, "system:postroad")
    with pytest.raises(Conflict, match="is approved already: it can be started"):
        approve(world.rt, made.id)
    start_check(world.rt, made.id)
    again = now(world, made)
    assert (again.state, again.max_cost, again.approved_by, again.quote) == ("checking", None, None, None)
    with pytest.raises(Conflict, match="draft: it must be checked"):
        approve(world.rt, draft(world, (), "draft").id)


CHANGES = {
    "text": "UPDATE campaigns SET body = 'Hi ${name}'",
    "field": """UPDATE campaigns SET merge = '{"x": "y"}'""",
    "schedule": "UPDATE campaigns SET send_at = now() + interval '1 hour'",
    "limit": "UPDATE campaigns SET per_hour = 7",
    "sender": "UPDATE campaigns SET sender = 'OTHER'",
    "recipients": "UPDATE campaign_progress SET digest = '\\x00'",
}


def test_a_quote_does_not_hold_once_what_it_was_made_of_has_changed(world: World) -> None:
    for name, statement in CHANGES.items():
        made = quoted(world, name)
        where = "campaign_id" if "progress" in statement else "id"
        world.run(f"{statement} WHERE {where} = %(id)s", id=made.id)
        with pytest.raises(Conflict, match="have changed since its quote: check it again"):
            approve(world.rt, made.id)
        assert now(world, made).state == "stale"
    made = quoted(world)
    set_price(world.rt, "*", None, 500, "acme")
    with pytest.raises(Conflict, match="the prices have changed"):
        approve(world.rt, made.id)
    assert approve(world.rt, checked(world, made).id).max_cost == 1000


def test_a_started_campaign_sends_the_rows_of_its_quote_at_the_approved_cost(world: World) -> None:
    rows = rows_of("+2348012345678", "nix", "+2348012345679", "+2348012345678", "+447400123456")
    made = checked(world, draft(world, rows, body="Hello ${name}" + "!" * 160))
    approved = approve(world.rt, made.id)
    start(world.rt, made.id)

    while written := expand_portion(world.rt, made.id):
        world.deliver_all(written.hints)

    sums = counts(world, made)
    assert (sums.sent, sums.skipped, sums.pending) == (3, 2, 0)
    assert (sums.segments, sums.amount, approved.max_cost) == (6, 2400, 2400)
    assert world.balance() == 1_000_000 - 2400


def test_an_approved_campaign_is_not_started_at_prices_that_were_not_approved(world: World) -> None:
    made = quoted(world)
    approve(world.rt, made.id)
    set_price(world.rt, "*", None, 500, "acme")

    with pytest.raises(Conflict, match="prices have changed since its quote: check and approve it again"):
        start(world.rt, made.id)

    assert now(world, made).state == "stale"
    approve(world.rt, checked(world, made).id)
    assert start(world.rt, made.id) == "running"


def test_a_quote_is_valid_for_a_day(world: World) -> None:
    made = quoted(world)
    assert made.quoted_at
    assert made.quote_until == made.quoted_at + timedelta(days=1)
    world.run("UPDATE campaigns SET quote_until = now() - interval '1 second'")

    with pytest.raises(Conflict, match="its quote is too old: check it again"):
        approve(world.rt, made.id)

    assert (now(world, made).state, now(world, made).reason) == ("stale", "its quote is too old")


def test_above_an_amount_another_authenticated_actor_than_the_creator_approves(world: World) -> None:
    made = quoted(world)
    set_four_eyes(world.rt, "acme", 799)
    refused = [
        (ActorKind.OS_USER, "ada", None, "its creator, os_user:ada, cannot approve"),
        (ActorKind.OS_USER, "ada", "ben", "its creator, os_user:ada, cannot approve"),
        # who may be the same person
        (ActorKind.USER, "ada", None, "its creator, os_user:ada, cannot approve"),
        # what another claims may only tell against him
        (ActorKind.OS_USER, "root", "ada", "its creator, os_user:ada, cannot approve"),
        # `sudo postroad --as ben` by ada
        (ActorKind.OS_USER, "root", "ben", "as himself, without --as or sudo"),
        (ActorKind.SYSTEM, "postroad", None, "a user or an API key must approve"),
        (ActorKind.DATABASE, "ben", None, "a user or an API key must approve"),
    ]

    for kind, name, claimed, words in refused:
        with acts_as(kind, name, claimed), pytest.raises(Conflict, match=words):
            approve(world.rt, made.id)
    with pytest.raises(Conflict, match=r"requires a second person above 7\.99 NGN"):
        approve(world.rt, made.id)
    assert now(world, made).state == "quoted"
    with acts_as(ActorKind.API_KEY, "7"):
        assert approve(world.rt, made.id).approved_by == "api_key:7"


def test_another_user_of_the_console_than_the_creator_approves(world: World) -> None:
    set_four_eyes(world.rt, "acme", 799)
    with acts_as(ActorKind.USER, "ada"):
        made = checked(world, draft(world, rows_of("+2348012345678", "+2348012345679")))
    with acts_as(ActorKind.USER, "ben"):
        change(world.rt, made.id, {"body": "Buy now"})
        checked(world, made)

    for kind, name in ((ActorKind.USER, "ada"), (ActorKind.USER, "ben"), (ActorKind.OS_USER, "Ben")):
        with acts_as(kind, name), pytest.raises(Conflict, match="cannot approve campaign"):
            approve(world.rt, made.id)
    with acts_as(ActorKind.USER, "cleo"):
        assert approve(world.rt, made.id).approved_by == "user:cleo"


def test_who_loaded_or_left_out_recipients_is_no_other_actor(world: World) -> None:
    made = quoted(world)
    set_four_eyes(world.rt, "acme", 799)
    with acts_as(ActorKind.OS_USER, "ben"):
        load(world.rt, made.id, rows_of("+2348012345678", "+2348012345679", "+2348012345670"))
    with acts_as(ActorKind.OS_USER, "dora"):
        exclude_numbers(world.rt, made.id, ["+2348012345670"])
    with acts_as(ActorKind.OS_USER, "cleo"):
        checked(world, made)

    for name in ("ben", "dora"):
        with acts_as(ActorKind.OS_USER, name), pytest.raises(Conflict, match=f"os_user:{name}, who has created it, "):
            approve(world.rt, made.id)
    with acts_as(ActorKind.OS_USER, "cleo"):
        assert approve(world.rt, made.id).approved_by == "os_user:cleo"


def test_who_changed_a_campaign_or_created_it_by_sudo_is_no_other_actor(world: World) -> None:
    made = quoted(world)
    set_four_eyes(world.rt, "acme", 799)
    with acts_as(ActorKind.OS_USER, "ben"):
        change(world.rt, made.id, {"body": "Buy now"})
    with acts_as(ActorKind.OS_USER, "cleo"):
        checked(world, made)
    with acts_as(ActorKind.OS_USER, "root", "dora"):
        by_sudo = checked(world, draft(world, rows_of("+2348012345678", "+2348012345679"), "autumn"))

    for campaign, name in ((made, "ben"), (by_sudo, "dora")):
        with acts_as(ActorKind.OS_USER, name), pytest.raises(Conflict, match=f"os_user:{name}, who has created it, "):
            approve(world.rt, campaign.id)
        with acts_as(ActorKind.OS_USER, "cleo"):
            assert approve(world.rt, campaign.id).approved_by == "os_user:cleo"


def test_up_to_the_amount_the_creator_may_approve(world: World) -> None:
    set_four_eyes(world.rt, "acme", 800)
    with acts_as(ActorKind.OS_USER, "ada"):
        assert approve(world.rt, quoted(world).id).approved_by == "os_user:ada"
    set_four_eyes(world.rt, "acme", None)
    with pytest.raises(InvalidInput, match="0 or more"):
        set_four_eyes(world.rt, "acme", -1)
    log = "SELECT after FROM audit_log WHERE subject_table = 'accounts' AND before ? 'four_eyes_above' ORDER BY id"
    assert world.rows(log) == [{"four_eyes_above": 800}, {"four_eyes_above": None}]
