"""Pages of campaigns by account and state, their history, and what they wait for."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.rules.campaign_lifecycle import ENDED
from pipeline.rules.campaigns.advice import NEEDS_PERSON, waits_for
from pipeline.runtime import acting
from pipeline.stages.admin.accounts import create_account, set_four_eyes
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.control import abort, pause, start
from pipeline.stages.campaigns.history import campaign_history, note_download, note_test_send
from pipeline.stages.campaigns.list_campaigns import campaign_page
from pipeline.stages.campaigns.next_steps import next_steps
from pipeline.store.campaigns import EXAMINED
from schema.actor import Actor
from schema.vocabulary import ActorKind, CampaignState, Code, PauseCause
from tests.campaigns import checked, draft, now, rows_of
from tests.world import World

_MANY = """
INSERT INTO campaigns (id, account_id, name, sender, class, body, created_by, state)
SELECT (lpad(to_hex(place), 32, '0'))::uuid, %(account)s, place::text, 'ACME', 'bulk', 'Hi', 'system:test', 'draft'
FROM generate_series(1, %(many)s) AS place
"""


@contextmanager
def acts(name: str) -> Iterator[None]:
    """Have a user of the console make the changes of a block."""
    before = acting.set(Actor(ActorKind.USER, name, "here", "console POST"))
    try:
        yield
    finally:
        acting.reset(before)


def test_a_page_has_the_campaigns_of_an_account_in_a_state_the_latest_first(world: World) -> None:
    create_account(world.rt, "other", "EUR")
    made = [draft(world, rows_of("+2348012345678"), name) for name in ("one", "two", "three")]
    abort(world.rt, made[1].id)

    drafts = campaign_page(world.rt, "acme", CampaignState.DRAFT, 10)
    first = campaign_page(world.rt, None, None, 2)
    rest = campaign_page(world.rt, None, None, 2, first.cursor)

    assert [each.name for each in drafts.campaigns] == ["three", "one"]
    assert [each.name for each in (*first.campaigns, *rest.campaigns)] == ["three", "two", "one"]
    assert (drafts.cursor, rest.cursor) == (None, None)
    assert {each.rows for each in drafts.progress.values()} == {1}
    assert campaign_page(world.rt, "other", CampaignState.DRAFT, 10).campaigns == []


def test_a_page_by_state_examines_a_limited_number_and_says_where_the_next_begins(world: World) -> None:
    world.run(_MANY, account=world.account, many=EXAMINED + 5)
    world.run("INSERT INTO campaign_progress (campaign_id) SELECT id FROM campaigns")
    world.run("UPDATE campaigns SET state = 'aborted' WHERE name IN ('1', '3')")

    page = campaign_page(world.rt, "acme", CampaignState.ABORTED, 1)
    names, pages = [each.name for each in page.campaigns], 1
    while page.cursor:
        page = campaign_page(world.rt, None, CampaignState.ABORTED, 1, page.cursor)
        names, pages = names + [each.name for each in page.campaigns], pages + 1

    assert names == ["3", "1"]
    assert pages == 3


def test_the_history_says_who_did_what(world: World) -> None:
    with acts("mia"):
        made = checked(world, draft(world, rows_of("+2348012345678"), "spring"))
        note_test_send(world.rt, made, 2, "+447911123456")
    with acts("abe"):
        approve(world.rt, made.id)
    with acts("mia"):
        start(world.rt, made.id)
        pause(world.rt, made.id, "a wrong word")
        note_download(world.rt, made, "results.csv")

    found = [(each.who, each.what, each.reason) for each in campaign_history(world.rt, now(world, made))]

    assert found == [
        ("mia", "downloaded results.csv with full numbers", ""),
        ("mia", "running → paused", "a wrong word"),
        ("mia", "approved → running", ""),
        ("abe", "quoted → approved", ""),
        ("mia", "sent the text of line 2 to +4479******56", ""),
        ("mia", "checking → quoted", ""),
        ("mia", "draft → checking", ""),
        ("mia", "loaded 1 rows", ""),
        ("mia", "created it", ""),
    ]


def test_who_looks_at_recipients_has_not_written_the_campaign_and_may_approve_it(world: World) -> None:
    set_four_eyes(world.rt, "acme", 0)
    with acts("mia"):
        made = checked(world, draft(world, rows_of("+2348012345678"), "spring"))
        refusal = next_steps(world.rt, made).approval_refusal
    with acts("abe"):
        note_download(world.rt, made, "errors.csv")
        note_test_send(world.rt, made, 2, "+447911123456")
        assert next_steps(world.rt, made).approval_refusal is None
        approved = approve(world.rt, made.id)

    assert refusal
    assert refusal.endswith("its creator, user:mia, cannot approve campaign 'spring'")
    assert approved.state is CampaignState.APPROVED
    assert next_steps(world.rt, approved).possible == {"check", "change", "start", "abort"}


def test_each_state_that_needs_a_person_says_what_to_do() -> None:
    assert all(waits_for(state, None) for state in NEEDS_PERSON)
    assert not any(waits_for(state, None) for state in ENDED)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (None, "paused by a person"),
        ("a wrong word", "paused by a person"),
        ("gate:failed 12 % of 80", "A gate"),
        (PauseCause.INSUFFICIENT_FUNDS, "Top up"),
        (PauseCause.QUOTE_EXCEEDED, "more than was approved"),
        (Code.SENDER_INVALID, "Mend that"),
    ],
)
def test_a_pause_says_what_to_do_about_its_reason(reason: str | None, words: str) -> None:
    assert words in waits_for(CampaignState.PAUSED, reason)
