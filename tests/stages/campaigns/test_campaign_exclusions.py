"""Audiences that are left out of a campaign: numbers, recipients of another campaign, those it reached."""

from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr

from pipeline.errors import Conflict, InvalidInput, NotFound
from pipeline.rules.identity import ids
from pipeline.stages.campaigns import expand
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.control import start
from pipeline.stages.campaigns.create import change
from pipeline.stages.campaigns.exclude import exclude_numbers, exclude_reached, exclude_recipients
from pipeline.stages.cancel import cancel
from pipeline.transitions import recent_recipients
from schema.campaign import Campaign, GivenRow
from tests.campaigns import checked, counts, draft, now, rows_of, verdicts
from tests.world import World, message_ids
from workers.campaign_wiring import expand_portion
from workers.wiring import index_new

NUMBERS = [f"+23480123456{place:02}" for place in range(5)]


def sent(world: World, *numbers: str, name: str = "earlier") -> tuple[Campaign, list[UUID]]:
    """Return a campaign whose rows became the messages of one request, with their ids."""
    made = draft(world, rows_of(*numbers), name)
    answer = world.send(*numbers)
    for place, line in enumerate(range(2, 2 + len(numbers))):
        world.run(
            """
            UPDATE campaign_rows SET request_id = %(request)s, place = %(place)s
            WHERE campaign_id = %(id)s AND line = %(line)s
            """,
            request=answer.request,
            place=place,
            id=made.id,
            line=line,
        )
    return made, message_ids(answer)


def test_numbers_that_are_left_out_stay_so_at_each_check(world: World) -> None:
    made = draft(world, [*rows_of(*NUMBERS, "nix", NUMBERS[0]), GivenRow(9, None, "malformed")], country="NG")
    checked(world, made)

    left_out, invalid = exclude_numbers(world.rt, made.id, ["0801 234 5600", NUMBERS[1], "?", "+447400123456"])
    stale, skipped = now(world, made), counts(world, made).skipped
    found = checked(world, made)

    assert (left_out, invalid, stale.state, skipped) == (3, 1, "stale", 5)
    assert found.state == "quoted"
    assert verdicts(world, made) == {
        2: "excluded",
        3: "excluded",
        4: None,
        5: None,
        6: None,
        7: "phone_invalid",
        8: "excluded",
        9: "malformed",
    }
    assert counts(world, made).skipped == 5
    assert exclude_numbers(world.rt, made.id, NUMBERS[:2]) == (0, 0)
    assert now(world, made).state == "quoted"


def test_recipients_of_another_campaign_are_left_out(world: World) -> None:
    other, _ = sent(world, *NUMBERS[:2])
    unsent = draft(world, rows_of(*NUMBERS), "unsent")
    made = draft(world, rows_of(*NUMBERS), "later")

    assert exclude_recipients(world.rt, made.id, unsent.id) == 0
    assert exclude_recipients(world.rt, made.id, other.id) == 2
    assert list(verdicts(world, made).values()) == ["excluded", "excluded", None, None, None]
    assert world.rows("SELECT DISTINCT fault FROM campaign_rows WHERE verdict = 'excluded'") == [
        "campaign 'earlier' went to its number"
    ]


@pytest.mark.unsound("a message is delivered without a receipt")
def test_only_those_that_another_campaign_did_not_reach_are_left(world: World) -> None:
    other, [first, second, _] = sent(world, *NUMBERS[:3])
    world.run("UPDATE messages SET status = 'delivered', final_at = now() WHERE id = ANY(%(ids)s)", ids=[first])
    made = draft(world, rows_of(*NUMBERS), "again")

    assert exclude_reached(world.rt, made.id, other.id) == 3
    assert world.status(second) == "sent"
    assert list(verdicts(world, made).values()) == ["excluded", None, None, "excluded", "excluded"]


def test_nothing_is_left_out_of_a_campaign_that_is_checked_or_by_one_of_another_account(world: World) -> None:
    made = draft(world, rows_of(*NUMBERS))
    with pytest.raises(InvalidInput, match="its own recipients"):
        exclude_recipients(world.rt, made.id, made.id)
    with pytest.raises(NotFound, match="has no campaign"):
        exclude_reached(world.rt, made.id, world.rt.new_ids())
    start_check(world.rt, made.id)
    with pytest.raises(Conflict, match="is checking: no recipients can be left out"):
        exclude_numbers(world.rt, made.id, NUMBERS)


def test_a_campaign_whose_rows_are_deleted_leaves_nobody_out_in_silence(world: World) -> None:
    other, _ = sent(world, *NUMBERS[:2])
    made = draft(world, rows_of(*NUMBERS), "later")
    world.run("DELETE FROM campaign_rows WHERE campaign_id = %(id)s", id=other.id)

    for exclude in (exclude_recipients, exclude_reached):
        with pytest.raises(Conflict, match="the recipients of campaign 'earlier' are not kept any more"):
            exclude(world.rt, made.id, other.id)


def test_who_got_a_message_shortly_before_is_left_out_as_of_each_check(world: World) -> None:
    other, _ = sent(world, *NUMBERS[:2])
    world.run("UPDATE campaigns SET started_at = now() WHERE id = %(id)s", id=other.id)
    made = draft(world, rows_of(*NUMBERS[:3], NUMBERS[0]), "later", not_within_hours=48)

    def found(**changes: object) -> list[str | None]:
        if changes:
            change(world.rt, made.id, changes)
        assert checked(world, made).state == "quoted"
        return list(verdicts(world, made).values())

    left_out = ["recently_messaged", "recently_messaged", None, "recently_messaged"]
    all_of_them = [None, None, None, "duplicate"]
    assert found() == left_out
    assert found(send_at=world.rt.now() + timedelta(hours=47)) == left_out
    assert found(send_at=world.rt.now() + timedelta(hours=49)) == all_of_them
    assert found(send_at=None) == left_out
    assert found(not_within_hours=None) == all_of_them
    assert found(not_within_hours=1) == left_out
    earlier = ids.lowest(world.rt.now() - timedelta(hours=2))
    world.run("UPDATE campaign_rows SET request_id = %(id)s WHERE request_id IS NOT NULL", id=earlier)
    assert found() == all_of_them
    assert found(not_within_hours=3) == left_out
    world.run("UPDATE campaigns SET test = true WHERE id = %(id)s", id=other.id)
    assert found() == all_of_them
    world.rt.settings = world.rt.settings.model_copy(update={"campaign_rows_days": 1})
    with pytest.raises(InvalidInput, match="not_within_hours: recipients are kept for 1 days"):
        change(world.rt, made.id, {"not_within_hours": 25})


def test_messages_that_are_no_campaign_s_count_where_messages_are_indexed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_recipients, "_PORTION", 2)
    secret = SecretStr("a secret of these tests, long enough")
    world.rt.settings = world.rt.settings.model_copy(update={"secret_key": secret})
    index_new(world.rt)
    cancelled = world.send(NUMBERS[1], send_at=world.rt.now() + timedelta(hours=1))
    world.send(NUMBERS[2], test=True)
    world.send(NUMBERS[4], NUMBERS[3])
    assert cancel(world.rt, world.account, message_ids(cancelled)).cancelled
    index_new(world.rt)
    made = draft(world, rows_of(*NUMBERS), "later", not_within_hours=48)

    assert checked(world, made).state == "quoted"
    assert list(verdicts(world, made).values()) == [None, None, None, "recently_messaged", "recently_messaged"]
    change(world.rt, made.id, {"send_at": world.rt.now() + timedelta(hours=49)})
    assert checked(world, made).state == "quoted"
    assert set(verdicts(world, made).values()) == {None}


def test_who_got_a_message_after_the_check_is_left_out_as_rows_become_messages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "PORTION", 2)
    secret = SecretStr("a secret of these tests, long enough")
    world.rt.settings = world.rt.settings.model_copy(update={"secret_key": secret})
    index_new(world.rt)
    made = draft(world, rows_of(*NUMBERS[:3], NUMBERS[2]), "later", not_within_hours=48, duplicates="keep")
    found = checked(world, made)
    world.send(NUMBERS[1])
    index_new(world.rt)
    approve(world.rt, found.id)
    start(world.rt, found.id)

    while expand_portion(world.rt, made.id):
        index_new(world.rt)

    assert list(verdicts(world, made).values()) == [None, "recently_messaged", None, None]
    progress = counts(world, made)
    assert (progress.rows, progress.sent, progress.skipped) == (4, 3, 1)
    assert world.rows("SELECT count(*) FROM messages WHERE phone = %(to)s", to=NUMBERS[2]) == [2]


def test_messages_of_other_campaigns_count_where_the_index_has_fallen_behind(world: World) -> None:
    secret = SecretStr("a secret of these tests, long enough")
    world.rt.settings = world.rt.settings.model_copy(update={"secret_key": secret})
    index_new(world.rt)
    other, _ = sent(world, *NUMBERS[:2])
    world.run("UPDATE campaigns SET started_at = now() WHERE id = %(id)s", id=other.id)
    world.run("UPDATE search_keys SET complete_until = now() - interval '2 minutes', history = NULL")
    made = draft(world, rows_of(*NUMBERS[:3]), "later", not_within_hours=48)

    assert checked(world, made).state == "quoted"
    assert list(verdicts(world, made).values()) == ["recently_messaged", "recently_messaged", None]
