"""Check a campaign: verdicts by line, the quote, and that it goes on where a killed check ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import Conflict
from pipeline.settings import Settings
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.compliance import opt_in, opt_out
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admin.wallets import grant
from pipeline.stages.admit import admit
from pipeline.stages.campaigns import check_rows
from pipeline.stages.campaigns.advance import advance
from pipeline.stages.campaigns.check_rows import next_rows, record_checked, start_check
from pipeline.stages.campaigns.create import change
from pipeline.stages.campaigns.load import load
from pipeline.store import campaign_rows
from schema.campaign import GivenRow
from schema.vocabulary import AccountState
from tests.campaigns import checked, counts, draft, now, quote_of, rows_of, verdicts
from tests.world import World
from workers.campaign_checking import check_all, check_portion


def test_rows_that_would_not_be_sent_get_a_verdict_and_the_others_a_price(world: World) -> None:
    opt_out(world.rt, "acme", "+2348012345679")
    world.run("UPDATE prices SET destination = 'NG'")
    set_price(world.rt, "GB", None, 700, "acme")
    made = draft(world, rows_of("+2348012345678", "+2348012345679", "nix", "+436641234567", "+447400123456"))
    load(world.rt, made.id, [GivenRow(7, None, "not UTF-8"), GivenRow(8, {"to": "+2348012345670"})])
    load(world.rt, made.id, rows_of("+2348012345671", country="US", first=9))

    found = checked(world, made)

    quote = quote_of(found)
    assert found.state == "quoted"
    assert verdicts(world, made) == {
        2: None,
        3: "opted_out",
        4: "phone_invalid",
        5: "no_price",
        6: None,
        7: "malformed",
        8: "merge_field_missing",
        9: "invalid_field",
    }
    assert {verdict: each.lines for verdict, each in quote.refused.items()} == {
        "opted_out": [3],
        "phone_invalid": [4],
        "no_price": [5],
        "malformed": [7],
        "merge_field_missing": [8],
        "invalid_field": [9],
    }
    assert (quote.total.messages, quote.total.segments, quote.total.amount) == (2, 2, 400 + 700)
    assert {country: each.amount for country, each in quote.by_country.items()} == {"NG": 400, "GB": 700}
    assert (counts(world, made).skipped, counts(world, made).pending) == (6, 2)
    faults = "SELECT fault FROM campaign_rows WHERE line IN (3, 5, 8) ORDER BY line"
    assert world.rows(faults) == [
        "the recipient opted out",
        "there is no price for AT",
        "the text needs these merge fields: name",
    ]


def test_a_quote_says_what_the_messages_then_cost(world: World) -> None:
    grant(world.rt, "acme", 3, "test", world.rt.now().date())
    numbers = [f"+23480123456{place:02}" for place in range(10)]
    rows = [GivenRow(line, {"to": to, "merge": {"name": "Zoë ☺"}}) for line, to in enumerate(numbers, 2)]
    text = "Hello ${name} “" + "x" * 60
    made = checked(world, draft(world, rows, body=text))

    quote = quote_of(made)

    world.pay(world.submit(world.order(*numbers, body=text.replace("${name}", "Zoë ☺"))))
    assert (quote.total.segments, quote.total.quota) == (20, 2)
    assert world.balance() == 1_000_000 - quote.total.amount
    assert (quote.money, quote.lacking) == (1_000_000, 0)
    assert (quote.foreign["☺"].messages, quote.foreign["“"].line, quote.saved_by_respelling) == (10, 2, 0)


def test_lacking_money_the_time_at_the_limits_carrier_costs_and_quiet_hours_are_told(world: World) -> None:
    world.run("UPDATE wallets SET balance = 500")
    world.run("UPDATE carriers SET segments_per_second = 2 WHERE name = 'alpha'")
    world.run("UPDATE routes SET cost = 30000, currency = 'EUR'")
    minute = world.rt.now().hour * 60
    world.run(
        """
        INSERT INTO quiet_hours (account_id, country, class, from_minute, until_minute, action)
        VALUES (%(account)s, 'GB', 'bulk', %(since)s, %(until)s, 'defer')
        """,
        account=world.account,
        since=(minute - 180) % 1440,
        until=(minute + 240) % 1440,
    )
    numbers = [f"+23480123456{place:02}" for place in range(9)]
    made = draft(world, rows_of(*numbers, "+447400123456"), per_hour=600)

    quote = quote_of(checked(world, made))

    assert (quote.total.messages, quote.lacking, quote.deferred) == (10, 3500, 1)
    assert quote.seconds == 60  # ten recipients at 600 an hour
    assert (quote.carrier_cost.amounts, quote.carrier_cost.unknown) == ({"EUR": 300_000}, 0)


@pytest.mark.parametrize(
    ("policy", "state", "sent", "repeated"),
    [("drop", "quoted", 2, 0), ("keep", "quoted", 4, 2), ("refuse", "failed", 0, 0)],
)
def test_repeated_numbers_are_dropped_kept_or_refused(
    world: World, policy: str, state: str, sent: int, repeated: int
) -> None:
    rows = rows_of("+2348012345678", "+234 801 234 5678", "+447400123456", "+2348012345678", "nix", "nix")
    made = draft(world, rows, duplicates=policy)

    found = checked(world, made)

    dropped = {3: "duplicate", 5: "duplicate"} if policy == "drop" else {3: None, 5: None}
    assert found.state == state
    assert verdicts(world, made) == {2: None, 4: None, 6: "phone_invalid", 7: "phone_invalid"} | dropped
    if policy == "refuse":
        assert found.reason == "2 rows have the number of an earlier one: lines 3, 5"
        return
    quote = quote_of(found)
    assert (quote.total.messages, quote.repeated.messages, quote.repeated.lines) == (sent, repeated, [3, 5][:repeated])
    if policy == "drop":
        assert world.rows("SELECT fault FROM campaign_rows WHERE line = 5") == ["line 2 has the same number"]


def test_a_campaign_fails_its_check_if_nothing_of_it_can_be_sent(world: World) -> None:
    empty = draft(world, (), "empty")
    refused = draft(world, rows_of("nix"), "refused")
    suspended = draft(world, rows_of("+2348012345678"), "suspended")

    assert (checked(world, empty).reason) == "it has no recipients: load them first"
    found = checked(world, refused)
    assert (found.state, found.reason) == ("failed", "none of its 1 rows can be sent")
    assert quote_of(found).refused["phone_invalid"].messages == 1
    set_account_state(world.rt, "acme", AccountState.SUSPENDED)
    assert checked(world, suspended).reason == "account: the account 'acme' is suspended"
    set_account_state(world.rt, "acme", AccountState.ACTIVE)
    assert checked(world, suspended).state == "quoted"


def test_a_check_goes_on_where_a_killed_one_ended_and_two_workers_do_no_harm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_rows, "PORTION", 3)
    numbers = [f"+23480123456{place:02}" for place in range(10)]
    made = draft(world, rows_of(*numbers, "+999"))
    start_check(world.rt, made.id)

    check_portion(world.rt, made.id)
    late = next_rows(world.rt, made.id)
    check_portion(world.rt, made.id)
    assert late is not None
    [admission] = _admitted(world, late)
    record_checked(world.rt, late, admission)  # another worker was faster
    at_kill = counts(world, made)
    with pytest.raises(Conflict, match="is checking"):
        start_check(world.rt, made.id)
    check_all(world.rt, made.id)

    assert (at_kill.checked_line, at_kill.tally and at_kill.tally["total"]["messages"]) == (7, 6)
    assert (now(world, made).state, quote_of(now(world, made)).total.messages) == ("quoted", 10)
    assert not check_portion(world.rt, made.id)


def _admitted(world: World, late: check_rows.RowsToCheck) -> list[Any]:
    return admit(world.rt, [(world.rt.new_ids(), late.order(world.rt.now()))])


def test_prices_that_change_during_a_check_begin_it_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_rows, "PORTION", 3)
    made = draft(world, rows_of(*(f"+23480123456{place:02}" for place in range(7))))
    start_check(world.rt, made.id)
    check_portion(world.rt, made.id)
    set_price(world.rt, "*", None, 500, "acme")
    check_all(world.rt, made.id)

    assert quote_of(now(world, made)).total.amount == 7 * 500


def test_a_row_that_opted_out_after_the_quote_is_refused_by_the_next_check_and_one_that_opted_in_is_sent(
    world: World,
) -> None:
    opt_out(world.rt, "acme", "+2348012345678")
    made = draft(world, rows_of("+2348012345678", "+2348012345679", "+2348012345679", "nix"))
    checked(world, made)
    before = verdicts(world, made)
    opt_in(world.rt, "acme", "+2348012345678")
    opt_out(world.rt, "acme", "+2348012345679")

    found = checked(world, made)

    assert before == {2: "opted_out", 3: None, 4: "duplicate", 5: "phone_invalid"}
    assert verdicts(world, made) == {2: None, 3: "opted_out", 4: "duplicate", 5: "phone_invalid"}
    assert quote_of(found).total.messages == 1
    assert counts(world, made).skipped == 3


def test_quiet_hours_and_the_send_window_are_judged_at_the_time_of_sending(world: World) -> None:
    soon = world.rt.now() + timedelta(hours=1)
    made = draft(world, rows_of("+2348012345678"), send_at=soon, valid_until=soon + timedelta(hours=1))
    world.run("UPDATE campaigns SET valid_until = now() - interval '1 minute', send_at = NULL")

    found = checked(world, made)

    assert (found.state, found.reason) == ("failed", "valid_until: valid_until must be after now and after send_at")


def test_the_same_recipients_and_overlapping_ones_are_warned_of(world: World) -> None:
    numbers = [f"+23480123456{place:02}" for place in range(20)]
    first = draft(world, rows_of(*numbers), "first")
    second = draft(world, rows_of(*numbers[:10], *(f"+23480123457{place:02}" for place in range(10))), "second")
    for each in (first, second):  # as if they were sent
        world.run("UPDATE campaigns SET started_at = now() WHERE id = %(id)s", id=each.id)
        world.run("UPDATE campaign_progress SET sent = 20 WHERE campaign_id = %(id)s", id=each.id)
        sent = "UPDATE campaign_rows SET request_id = gen_random_uuid(), place = 1 WHERE campaign_id = %(id)s"
        world.run(sent, id=each.id)

    quote = quote_of(checked(world, draft(world, rows_of(*numbers), "third")))

    assert [(each.name, each.share, each.sample) for each in quote.earlier] == [("second", 0.5, 20), ("first", 1.0, 0)]
    assert quote_of(checked(world, draft(world, rows_of("+447400123456"), "fourth"))).earlier == []


def test_portions_of_rows_are_read_and_refused_by_their_primary_key(world: World) -> None:
    made = draft(world, rows_of("+2348012345678"))
    params: dict[str, Any] = {"campaign": made.id, "after": 0, "most": 10, "first": 1, "last": 9}
    params |= {"lines": [2], "verdicts": ["x"], "faults": ["y"]}
    with world.rt.begin() as conn:
        conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement in (campaign_rows._PENDING, campaign_rows._STORED, campaign_rows._REFUSED, campaign_rows._REFUSE):
            plan = "\n".join(line for (line,) in conn.exec_driver_sql(f"EXPLAIN {statement}", params))
            assert "_pkey" in plan, plan
            assert "Seq Scan" not in plan, plan


def test_the_hours_for_which_a_quote_is_valid_are_a_setting(world: World) -> None:
    assert Settings(campaign_quote_hours=2).campaign_quote_hours == 2
    made = checked(world, draft(world, rows_of("+2348012345678")))

    assert made.quoted_at
    assert made.quote_until
    assert made.quote_until - made.quoted_at == timedelta(hours=24)


def test_a_check_that_fails_leaves_the_counts_of_its_rows(world: World) -> None:
    made = checked(world, draft(world, rows_of("+2348012345678", "+2348012345678")))
    assert counts(world, made).skipped == 1
    change(world.rt, made.id, {"duplicates": "refuse"})

    start_check(world.rt, made.id)
    check_all(world.rt, made.id)

    assert now(world, made).state == "failed"
    assert (list(verdicts(world, made).values()), counts(world, made).skipped) == ([None, None], 0)


def test_a_portion_of_an_earlier_check_is_not_recorded_in_a_later_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_rows, "PORTION", 1)
    made = draft(world, rows_of("+2348012345678", "+2348012345679"))
    start_check(world.rt, made.id)
    check_portion(world.rt, made.id)
    slow = next_rows(world.rt, made.id)
    assert slow
    [admission] = admit(world.rt, [(world.rt.new_ids(), slow.order(world.rt.now()))])
    world.run("UPDATE campaigns SET state = 'failed'")
    opt_out(world.rt, "acme", "+2348012345678")
    start_check(world.rt, made.id)
    while counts(world, made).checked_line < 2:
        check_portion(world.rt, made.id)

    record_checked(world.rt, slow, admission)
    check_all(world.rt, made.id)

    assert verdicts(world, made) == {2: "opted_out", 3: None}
    assert counts(world, made).skipped == 1


def test_a_check_of_a_host_with_a_wrong_clock_is_gone_on_with_by_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = draft(world, rows_of("+2348012345678"))
    with monkeypatch.context() as skewed:
        skewed.setattr(world.rt, "now", lambda: datetime.now(UTC) + timedelta(hours=1))
        start_check(world.rt, made.id)
        assert next_rows(world.rt, made.id)

    world.run("UPDATE campaign_progress SET worked_at = worked_at - interval '10 seconds'")  # it died
    assert advance(world.rt).check == [made.id]
