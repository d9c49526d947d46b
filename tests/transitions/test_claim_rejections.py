"""What was permitted at acceptance and is not any more when a worker claims it is rejected, or put off."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline.stages.promote import promote
from pipeline.store import batch_claims, claim_checks
from pipeline.transitions import claim_rejections
from schema.message import Hint
from schema.vocabulary import Code
from tests.stages.permissions import opt_out, quiet
from tests.world import World

ADA, BEN, GHANA = "+2348012345678", "+2348012345679", "+233201234567"
STATES = "SELECT phone, status, money, error_code FROM messages ORDER BY id"


def pass_(world: World, hints: Sequence[Hint], *, by_attempt: int = 1) -> list[str]:
    """Claim the batches and return the numbers that may be sent."""
    with world.rt.begin() as conn:
        conn.exec_driver_sql("UPDATE batches SET attempt = %(n)s", {"n": by_attempt})
        claims = batch_claims.claim(conn, [hint.batch for hint in hints], 60)
        loads = claim_rejections.check_permission(
            conn,
            world.rt.now(),
            world.rt.common_time(claims[0].clock) if claims else world.rt.now(),
            world.rt.new_ids(),
            claims,
            batch_claims.parcels(conn, claims),
        )
    return [parcel.to for load in loads.values() for parcel in load]


def paid(world: World, *numbers: str, **fields: Any) -> list[Hint]:
    hints: list[Hint] = world.pay(world.submit(world.order(*numbers, **fields)))
    return hints


CHANGES: dict[str, tuple[Callable[[Any], object], Code]] = {
    "he opted out": (lambda world: opt_out(world, ADA), Code.OPTED_OUT),
    "of this sender": (lambda world: opt_out(world, ADA, sender="ACME"), Code.OPTED_OUT),
    "of everything there is": (lambda world: opt_out(world, ADA, account=0), Code.OPTED_OUT),
    "the sender is for elsewhere": (
        lambda world: world.run("UPDATE sender_ids SET countries = '{GH}'"),
        Code.SENDER_INVALID,
    ),
    "the account is for elsewhere": (
        lambda world: world.run("UPDATE accounts SET countries = '{GH}'"),
        Code.COUNTRY_FORBIDDEN,
    ),
    "it is night": (lambda world: quiet(world, action="reject"), Code.QUIET_HOURS),
}


@pytest.mark.parametrize(("change", "code"), CHANGES.values(), ids=CHANGES)
def test_what_changed_since_it_was_taken_in_stops_it_and_the_money_comes_back(
    world: World, change: Callable[[Any], object], code: Code
) -> None:
    hints = paid(world, ADA, GHANA)
    change(world)

    assert pass_(world, hints) == [GHANA]

    assert world.rows(STATES) == [(ADA, "rejected", "released", str(code)), (GHANA, None, "held", None)]
    assert world.balance() == 1_000_000 - 400


@pytest.mark.parametrize("state", ["pending", "rejected", None])
def test_a_sender_that_is_no_longer_approved_or_gone_sends_nothing(world: World, state: str | None) -> None:
    hints = paid(world, ADA, GHANA)
    world.run("UPDATE sender_ids SET state = %(state)s" if state else "DELETE FROM sender_ids", state=state)

    assert pass_(world, hints) == []

    assert {row[3] for row in world.rows(STATES)} == {"sender_invalid"}
    assert world.balance() == 1_000_000


def test_a_message_that_a_carrier_refused_before_has_failed_and_was_not_rejected(world: World) -> None:
    hints = paid(world, ADA)
    opt_out(world, ADA)

    assert pass_(world, hints, by_attempt=2) == []

    assert world.rows(STATES) == [(ADA, "failed", "released", "opted_out")]


def test_at_night_a_message_is_put_off_as_it_stands_and_its_neighbours_go(world: World) -> None:
    hints = paid(world, ADA, GHANA, BEN)
    morning = quiet(world)

    assert pass_(world, hints, by_attempt=3) == [GHANA]

    [later] = world.rows(
        "SELECT id, size, due_at, attempt, carrier, valid_until > due_at FROM batches WHERE status = 'waiting'"
    )
    assert later[1:] == (2, morning, 3, "alpha", True)
    assert world.rows("SELECT phone FROM messages WHERE batch_id = %(id)s ORDER BY id", id=later[0]) == [ADA, BEN]
    assert world.rows(STATES) == [(phone, None, "held", None) for phone in (ADA, GHANA, BEN)]
    assert pass_(world, [hints[0]]) == []


def test_quiet_hours_are_judged_by_the_time_the_transition_is_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = paid(world, ADA)
    morning = quiet(world)
    monkeypatch.setattr(world.rt, "common_time", lambda _clock: morning - timedelta(seconds=1))

    assert pass_(world, hints) == []

    [[later, due_at]] = world.rows("SELECT id, due_at FROM batches WHERE status = 'waiting'")
    assert due_at == morning
    world.make_due()
    [hint] = promote(world.rt)
    assert hint.batch == later
    monkeypatch.setattr(world.rt, "common_time", lambda _clock: morning)
    assert pass_(world, [hint]) == [ADA]


def test_a_batch_that_is_due_before_quiet_hours_are_over_is_put_off_again_and_no_attempt_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = paid(world, ADA)
    morning = quiet(world)
    monkeypatch.setattr(world.rt, "common_time", lambda _clock: morning - timedelta(seconds=1))

    for _ in range(3):
        assert pass_(world, hints) == []
        world.make_due()
        hints = promote(world.rt)

    assert world.rows("SELECT attempt, round FROM batches WHERE id = %(id)s", id=hints[0].batch) == [(1, 0)]
    assert world.rows(STATES) == [(ADA, None, "held", None)]


def test_what_would_expire_before_the_morning_is_rejected(world: World) -> None:
    hints = paid(world, ADA, valid_until=world.rt.now() + timedelta(minutes=30))
    quiet(world)

    assert pass_(world, hints) == []
    assert world.rows(STATES) == [(ADA, "rejected", "released", "quiet_hours")]


def test_a_refusal_goes_before_a_night(world: World) -> None:
    hints = paid(world, ADA)
    quiet(world)
    opt_out(world, ADA)

    assert pass_(world, hints) == []
    assert world.rows(STATES) == [(ADA, "rejected", "released", "opted_out")]


def test_who_answers_for_it_passes_over_his_own_opt_outs_only(world: World) -> None:
    hints = paid(world, ADA, BEN, skip_opt_outs=True) + paid(world, ADA)
    opt_out(world, ADA)
    opt_out(world, BEN, account=0)

    assert pass_(world, hints) == [ADA]
    assert [row[1] for row in world.rows(STATES)] == [None, "rejected", "rejected"]


def test_what_answers_a_handset_goes_out_at_night(world: World) -> None:
    hints = paid(world, ADA, door="reply", skip_opt_outs=True)
    opt_out(world, ADA)
    quiet(world)

    assert pass_(world, hints) == [ADA]


def test_tests_pass(world: World) -> None:
    hints = paid(world, ADA, test=True)
    opt_out(world, ADA)
    world.run("DELETE FROM sender_ids")

    assert pass_(world, hints) == [ADA]


def test_several_batches_are_judged_each_by_its_account(world: World) -> None:
    world.run("INSERT INTO accounts (name, currency) VALUES ('other', 'NGN')")
    world.run("INSERT INTO wallets (account_id, balance) SELECT id, 1000 FROM accounts WHERE name = 'other'")
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'other'")
    hints = paid(world, ADA) + paid(world, ADA, account="other")
    opt_out(world, ADA)

    assert pass_(world, hints) == [ADA]
    assert world.rows("SELECT account_id = %(us)s FROM messages WHERE status = 'rejected'", us=world.account) == [True]


def test_subscribers_are_told(world: World) -> None:
    world.run("UPDATE accounts SET subscribes = true")
    hints = paid(world, ADA, BEN)
    opt_out(world, ADA)
    world.run("UPDATE sender_ids SET countries = '{NG}'")

    assert pass_(world, hints) == [BEN]

    assert world.rows("SELECT count(*) FROM events WHERE status = 'rejected'") == [1]


@pytest.mark.unsound("it is said to be sent")
def test_what_was_sent_before_is_not_sent_once_more_to_who_opted_out(world: World) -> None:
    hints = paid(world, ADA)
    world.run("UPDATE messages SET status = 'sent', money = 'captured'")
    world.run("UPDATE batches SET resend_reason = 'undelivered'")
    opt_out(world, ADA)

    assert pass_(world, hints, by_attempt=2) == []
    assert world.rows(STATES) == [(ADA, "failed", "captured", "undelivered")]


@pytest.mark.unsound("it is said to be sent")
def test_what_was_sent_before_and_is_put_off_stays_what_it_is(world: World) -> None:
    hints = paid(world, ADA)
    world.run("UPDATE messages SET status = 'sent'")
    world.run("UPDATE batches SET resend_reason = 'silence'")
    quiet(world)

    assert pass_(world, hints, by_attempt=2) == []
    assert world.rows("SELECT resend_reason, status FROM batches WHERE status = 'waiting'") == [("silence", "waiting")]
    assert world.rows(STATES) == [(ADA, "sent", "held", None)]


def test_without_rules_one_query_is_all_there_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hints = paid(world, *(f"+23480123456{n}" for n in range(10, 60)))
    asked: list[str] = []
    with world.rt.begin() as conn:
        claims = batch_claims.claim(conn, [hint.batch for hint in hints], 60)
        loads = batch_claims.parcels(conn, claims)
        monkeypatch.setattr(conn, "exec_driver_sql", _counting(conn.exec_driver_sql, asked))

        now = world.rt.now()
        assert claim_rejections.check_permission(conn, now, now, world.rt.new_ids(), claims, loads) == loads

    assert asked == [claim_checks._PERMISSIONS]


def _counting(ask: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def counted(statement: str, *args: Any) -> Any:
        asked.append(statement)
        return ask(statement, *args)

    return counted
