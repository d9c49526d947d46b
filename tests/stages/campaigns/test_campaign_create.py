"""Create a campaign, and change it until it is started."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from pipeline.runtime import acting
from pipeline.stages.admin.account_templates import set_template
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.api import templates as api_templates
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.create import change, create
from schema.actor import Actor
from schema.vocabulary import AccountState, ActorKind, CampaignState, Syntax
from tests.campaigns import checked, definition, draft, now, rows_of
from tests.world import World


def test_a_campaign_is_a_draft_of_its_definition_by_the_actor_of_the_transaction(world: World) -> None:
    before = acting.set(Actor(ActorKind.OS_USER, "ada", "here", "campaign create"))
    wanted = definition(merge={"NAME": "you"}, **{"class": "transactional"}, per_hour=100, gates={"failed": 0.1})
    made = create(world.rt, wanted)
    acting.reset(before)

    assert (made.state, made.account, made.body, made.created_by) == ("draft", "acme", "Hello ${name}", "os_user:ada")
    # fields for all are spelt as the text has them
    assert made.merge["name"] == "you"
    assert (made.message_class, made.per_hour, made.gates) == ("transactional", 100, {"min_sample": 50, "failed": 0.1})
    assert create(world.rt, definition("summer")).created_by == "system:postroad"
    with pytest.raises(AlreadyExists, match="has a campaign 'spring' already"):
        create(world.rt, definition())


def test_the_text_of_a_template_is_copied_when_the_campaign_is_created(world: World) -> None:
    set_template(world.rt, "acme", "ride", "Ride for ${name}")
    api_templates.create(world.rt, world.account, "go", "go", "Ride for {{.name}}", Syntax.GO)
    made = create(world.rt, definition(template="ride"))
    set_template(world.rt, "acme", "ride", "Another text")

    kept = change(world.rt, made.id, {"per_hour": 5})
    taken = change(world.rt, made.id, {"template": "ride"})
    own = change(world.rt, made.id, {"body": "Another text"})
    assert [(each.body, each.template, each.template_version) for each in (made, kept, taken, own)] == [
        *[("Ride for ${name}", "ride", 1)] * 2,
        ("Another text", "ride", 2),
        ("Another text", None, None),
    ]
    with pytest.raises(NotFound, match=r"template: .* no template 'none'"):
        create(world.rt, definition("b", template="none"))
    with pytest.raises(InvalidInput, match=r"template: 'go' is written with \{\{.name\}\}"):
        create(world.rt, definition("b", template="go"))


def test_what_no_order_may_have_is_refused_by_its_field(world: World) -> None:
    today = world.rt.now()
    refused: list[tuple[dict[str, Any], str]] = [
        ({"sender": "OTHER"}, "^sender: 'OTHER' is not registered on the account$"),
        ({"send_at": today - timedelta(hours=1)}, "^send_at: must be in the future|^send_at: send_at must be"),
        ({"send_at": today + timedelta(days=900)}, "^send_at: send_at can be at most"),
        ({"valid_until": today - timedelta(hours=1)}, "^valid_until: valid_until must be after now"),
    ]
    for fields, words in refused:
        with pytest.raises(InvalidInput, match=words):
            create(world.rt, definition(**fields))
    with pytest.raises(NotFound, match="no account 'none'"):
        create(world.rt, definition(account="none"))
    set_account_state(world.rt, "acme", AccountState.SUSPENDED)
    with pytest.raises(InvalidInput, match=r"^account: the account 'acme' is suspended$"):
        create(world.rt, definition())


def test_a_change_of_a_quoted_or_approved_campaign_makes_it_stale_and_needs_a_new_check(world: World) -> None:
    made = checked(world, draft(world, rows_of("+2348012345678")))

    stale = change(world.rt, made.id, {"body": "Hi ${name}"})

    assert (stale.state, stale.body, stale.reason) == ("stale", "Hi ${name}", "its definition was changed")
    with pytest.raises(Conflict, match="is stale: it must be checked"):
        approve(world.rt, made.id)
    checked(world, made)
    approve(world.rt, made.id)
    changed = change(world.rt, made.id, {"per_hour": 10})
    assert (changed.state, changed.approved_by) == ("stale", None)


def test_a_definition_cannot_be_changed_while_it_is_checked_nor_to_an_invalid_one(world: World) -> None:
    made = draft(world, rows_of("+2348012345678"))

    for changes, words in (({"name": "x"}, "name: cannot be changed"), ({"per_hour": 0}, "per_hour: .*greater than 0")):
        with pytest.raises(InvalidInput, match=words):
            change(world.rt, made.id, changes)
    start_check(world.rt, made.id)
    with pytest.raises(Conflict, match="is checking: its definition cannot be changed"):
        change(world.rt, made.id, {"per_hour": 10})
    assert now(world, made).state is CampaignState.CHECKING
