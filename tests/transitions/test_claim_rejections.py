"""Messages that were permitted at acceptance and are not permitted any more at their claim are rejected or deferred."""

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
def test_a_message_that_is_not_permitted_any_more_is_rejected_and_its_money_is_released(
    world: World, change: Callable[[Any], object], code: Code
) -> None:
    hints = paid(world, ADA, GHANA)
    change(world)

    assert pass_(world, hints) == [GHANA]

    assert world.rows(STATES) == [(ADA, "rejected", "released", str(code)), (GHANA, None, "held", None)]
    assert world.balance() == 1_000_000 - 400


@pytest.mark.parametrize("state", ["pending", "rejected", None])
def test_a_message_whose_sender_is_not_approved_any_more_is_rejected(world: World, state: str | None) -> None:
    hints = paid(world, ADA, GHANA)
    world.run("UPDATE sender_ids SET state = %(state)s" if state else "DELETE FROM sender_ids", state=state)

    assert pass_(world, hints) == []

    assert {row[3] for row in world.rows(STATES)} == {"sender_invalid"}
    assert world.balance() == 1_000_000


def test_a_message_that_a_carrier_refused_before_fails_instead_of_being_rejected(world: World) -> None:
    hints = paid(world, ADA)
    opt_out(world, ADA)

    assert pass_(world, hints, by_attempt=2) == []

    assert world.rows(STATES) == [(ADA, "failed", "released", "opted_out")]


def test_a_message_in_quiet_hours_is_deferred_without_delaying_others_of_its_batch(world: World) -> None:
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


def test_quiet_hours_are_checked_at_the_time_given_to_the_transition(
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


def test_a_batch_claimed_again_within_quiet_hours_is_deferred_again_without_counting_an_attempt(
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


def test_a_message_that_expires_before_the_end_of_quiet_hours_is_rejected(world: World) -> None:
    hints = paid(world, ADA, valid_until=world.rt.now() + timedelta(minutes=30))
    quiet(world)

    assert pass_(world, hints) == []
    assert world.rows(STATES) == [(ADA, "rejected", "released", "quiet_hours")]


def test_an_opt_out_is_checked_before_quiet_hours(world: World) -> None:
    hints = paid(world, ADA)
    quiet(world)
    opt_out(world, ADA)

    assert pass_(world, hints) == []
    assert world.rows(STATES) == [(ADA, "rejected", "released", "opted_out")]


def test_an_order_that_skips_opt_outs_skips_those_of_its_account_but_not_global_ones(world: World) -> None:
    hints = paid(world, ADA, BEN, skip_opt_outs=True) + paid(world, ADA)
    opt_out(world, ADA)
    opt_out(world, BEN, account=0)

    assert pass_(world, hints) == [ADA]
    assert [row[1] for row in world.rows(STATES)] == [None, "rejected", "rejected"]


def test_a_reply_is_sent_in_spite_of_opt_outs_and_quiet_hours(world: World) -> None:
    hints = paid(world, ADA, door="reply", skip_opt_outs=True)
    opt_out(world, ADA)
    quiet(world)

    assert pass_(world, hints) == [ADA]


def test_test_messages_are_not_rejected(world: World) -> None:
    hints = paid(world, ADA, test=True)
    opt_out(world, ADA)
    world.run("DELETE FROM sender_ids")

    assert pass_(world, hints) == [ADA]


def test_batches_of_several_accounts_are_checked_against_their_own_opt_outs(world: World) -> None:
    world.run("INSERT INTO accounts (name, currency) VALUES ('other', 'NGN')")
    world.run("INSERT INTO wallets (account_id, balance) SELECT id, 1000 FROM accounts WHERE name = 'other'")
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'other'")
    hints = paid(world, ADA) + paid(world, ADA, account="other")
    opt_out(world, ADA)

    assert pass_(world, hints) == [ADA]
    assert world.rows("SELECT account_id = %(us)s FROM messages WHERE status = 'rejected'", us=world.account) == [True]


def test_a_rejection_makes_an_event_for_an_account_that_subscribes(world: World) -> None:
    world.run("UPDATE accounts SET subscribes = true")
    hints = paid(world, ADA, BEN)
    opt_out(world, ADA)
    world.run("UPDATE sender_ids SET countries = '{NG}'")

    assert pass_(world, hints) == [BEN]

    assert world.rows("SELECT count(*) FROM events WHERE status = 'rejected'") == [1]


@pytest.mark.unsound("it is said to be sent")
def test_a_resend_to_a_number_that_opted_out_fails_as_undelivered(world: World) -> None:
    hints = paid(world, ADA)
    world.run("UPDATE messages SET status = 'sent', money = 'captured'")
    world.run("UPDATE batches SET resend_reason = 'undelivered'")
    opt_out(world, ADA)

    assert pass_(world, hints, by_attempt=2) == []
    assert world.rows(STATES) == [(ADA, "failed", "captured", "undelivered")]


@pytest.mark.unsound("it is said to be sent")
def test_a_resend_deferred_by_quiet_hours_keeps_its_reason_and_status(world: World) -> None:
    hints = paid(world, ADA)
    world.run("UPDATE messages SET status = 'sent'")
    world.run("UPDATE batches SET resend_reason = 'silence'")
    quiet(world)

    assert pass_(world, hints, by_attempt=2) == []
    assert world.rows("SELECT resend_reason, status FROM batches WHERE status = 'waiting'") == [("silence", "waiting")]
    assert world.rows(STATES) == [(ADA, "sent", "held", None)]


def test_without_opt_outs_or_quiet_hours_the_check_takes_one_query(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
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
