"""A hold is not a failure: a held batch uses no round and no attempt, continues when its reason is gone, or expires.

`stage` audits when its test is over.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline.stages.admin import accounts, operator_reports
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.carrier_status import carrier_statuses
from pipeline.stages.admin.carriers import adjust_carrier, set_carrier, set_carrier_state
from pipeline.stages.admin.routes import set_route
from pipeline.stages.cancel import cancel
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims
from schema.message import Hint
from schema.vocabulary import AccountState, CarrierState, Outcome, ReceiptVerdict
from tests.stages.scripted import KIND, Stage

ACTIVE, SUSPENDED = AccountState.ACTIVE, AccountState.SUSPENDED
DRAINED, RESUMED = CarrierState.DRAINED, CarrierState.ACTIVE
BUSY = Outcome.REFUSED_TRANSIENT
PEOPLE = [f"+23480123456{n:02}" for n in range(12)]
HELD = "SELECT held, status, attempt, round, tried FROM batches WHERE held IS NOT NULL ORDER BY id"


def paid(stage: Stage, *numbers: str, kind: str = "transactional", **fields: Any) -> list[Hint]:
    hints: list[Hint] = stage.world.pay(stage.world.submit(stage.world.order(*numbers, message_class=kind, **fields)))
    return hints


def look(stage: Stage) -> None:
    """Do what the clock does."""
    stage.carry([*promote(stage.rt), *sweep(stage.rt).queued])


def looks(stage: Stage, *seconds: float) -> None:
    for each in seconds:
        stage.passes(each)
        look(stage)


def held(stage: Stage) -> list[tuple[Any, ...]]:
    return list(stage.world.rows(HELD))


# Accounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["otp", "transactional", "bulk"])
def test_queued_messages_of_a_suspended_account_are_held_and_sent_after_it_is_resumed(stage: Stage, kind: str) -> None:
    alpha = stage.carrier("alpha")
    queued = paid(stage, *PEOPLE[:2], kind=kind)
    set_account_state(stage.rt, "acme", SUSPENDED)

    stage.carry(queued)
    looks(stage, 61, 300, 400)

    assert alpha.given == []
    assert stage.stands() == [(None, "held", None)] * 2
    assert held(stage) == [("account", "queued", 1, 0, [])]
    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)
    assert stage.tried() == [("alpha", "accepted")] * 2
    assert held(stage) == []


@pytest.mark.parametrize("minutes", [5, 15])
def test_a_held_code_expires_at_the_end_of_its_validity_and_its_money_is_released(stage: Stage, minutes: int) -> None:
    stage.world.run("UPDATE accounts SET subscribes = true")
    stage.carrier("alpha")
    paid(stage, kind="otp", valid_until=stage.rt.now() + timedelta(minutes=minutes))
    set_account_state(stage.rt, "acme", SUSPENDED)

    looks(stage, minutes * 60 - 20)
    assert stage.stands() == [(None, "held", None)]
    looks(stage, 21)

    assert stage.stands() == [("failed", "released", "expired")]
    assert stage.world.balance() == 1_000_000
    assert stage.world.rows("SELECT status FROM events ORDER BY id") == ["queued", "failed"]
    assert stage.tried() == []
    assert held(stage) == []


def test_scheduled_and_waiting_batches_are_held_and_sent_when_due_after_the_resumption(stage: Stage) -> None:
    stage.carrier("alpha", BUSY)
    paid(stage, PEOPLE[0], send_at=stage.rt.now() + timedelta(seconds=60))
    stage.carry(paid(stage, PEOPLE[1]))
    assert set_account_state(stage.rt, "acme", SUSPENDED) == 2
    assert sorted(row[:2] for row in held(stage)) == [("account", "scheduled"), ("account", "waiting")]

    looks(stage, 61)
    assert sorted(row[:2] for row in held(stage)) == [("account", "scheduled"), ("account", "waiting")]
    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)

    assert sorted(stage.tried()) == [("alpha", "accepted"), ("alpha", "accepted"), ("alpha", "refused_transient")]


def test_a_scheduled_batch_of_a_resumed_account_waits_for_its_send_at(stage: Stage) -> None:
    stage.carrier("alpha")
    paid(stage, send_at=stage.rt.now() + timedelta(hours=1))
    set_account_state(stage.rt, "acme", SUSPENDED)
    looks(stage, 60)

    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)
    assert stage.tried() == []
    assert stage.world.rows("SELECT status, held FROM batches") == [("scheduled", None)]
    looks(stage, 3541)

    assert stage.tried() == [("alpha", "accepted")]


def test_a_held_message_can_be_cancelled_before_its_send_at(stage: Stage) -> None:
    stage.carrier("alpha")
    paid(stage, send_at=stage.rt.now() + timedelta(hours=1))
    set_account_state(stage.rt, "acme", SUSPENDED)

    cancel(stage.rt, None, stage.world.rows("SELECT id FROM messages"))
    set_account_state(stage.rt, "acme", ACTIVE)
    looks(stage, 3601)

    assert stage.stands() == [("cancelled", "released", None)]
    assert stage.tried() == []


def test_a_held_message_can_be_cancelled_after_its_send_at(stage: Stage) -> None:
    stage.carrier("alpha")
    paid(stage, *PEOPLE[:2], send_at=stage.rt.now() + timedelta(minutes=1))
    set_account_state(stage.rt, "acme", SUSPENDED)
    looks(stage, 61)
    first, second = stage.world.rows("SELECT id FROM messages ORDER BY id")

    assert cancel(stage.rt, None, [first]).cancelled == {first}
    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)
    assert cancel(stage.rt, None, [second]).too_late == {second}

    assert stage.stands() == [("cancelled", "released", None), ("sent", "captured", None)]


def suspend_unseen(stage: Stage) -> None:
    """Suspend the account as of now, before anybody looked for its batches."""
    stage.world.run("UPDATE accounts SET state = 'suspended'")


@pytest.mark.parametrize("made", ["taken in", "failed over", "promoted"])
def test_a_batch_created_after_the_suspension_is_held_at_its_claim(stage: Stage, made: str) -> None:
    alpha, beta = stage.carrier("alpha", *[BUSY] * (made == "failed over")), stage.carrier("beta")
    send_at = stage.rt.now() + timedelta(seconds=30) if made == "promoted" else None
    hints = paid(stage, send_at=send_at)
    if made == "failed over":
        hints = deliver(stage.rt, [hints[0].batch])
    suspend_unseen(stage)

    stage.carry(hints)
    looks(stage, 31, 30)

    [(why, status, attempt, rounds, tried)] = held(stage)
    assert (why, status, rounds) == ("account", "queued", 0)
    assert (attempt, tried) == ((2, ["alpha"]) if made == "failed over" else (1, []))
    assert len(alpha.given) + len(beta.given) == (made == "failed over")
    stage.world.run("UPDATE accounts SET state = 'active'")
    look(stage)
    assert stage.tried()[-1] == ("beta" if made == "failed over" else "alpha", "accepted")


def test_a_resend_after_a_failed_receipt_waits_until_the_account_is_resumed(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    set_account_state(stage.rt, "acme", SUSPENDED)

    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()
    looks(stage, 600)
    assert stage.tried() == [("alpha", "accepted")]
    assert stage.stands() == [("sent", "captured", None)]
    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)

    assert stage.tried() == [("alpha", "accepted"), ("beta", "accepted")]


def test_a_held_resend_is_not_sent_if_the_message_is_delivered_meanwhile(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    set_account_state(stage.rt, "acme", SUSPENDED)
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()

    stage.receive(message, "alpha", ReceiptVerdict.DELIVERED)
    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)

    assert stage.stands() == [("delivered", "captured", None)]
    assert stage.tried() == [("alpha", "accepted")]


def test_a_message_whose_held_resend_expires_has_failed_as_undelivered(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send(hours=1)
    set_account_state(stage.rt, "acme", SUSPENDED)
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()

    looks(stage, 3601)

    assert stage.stands() == [("failed", "captured", "undelivered")]


def another_account(stage: Stage) -> None:
    stage.world.run("INSERT INTO accounts (name, currency) VALUES ('other', 'NGN')")
    stage.world.run("INSERT INTO wallets (account_id) SELECT id FROM accounts WHERE name = 'other'")
    stage.world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'other'")
    stage.world.run("UPDATE wallets SET credit_limit = 100000")


@pytest.mark.parametrize("pace", [None, 100.0])
@pytest.mark.parametrize("is_seen", [True, False])
def test_held_batches_do_not_delay_other_accounts(stage: Stage, pace: float | None, is_seen: bool) -> None:
    another_account(stage)
    stage.carrier("alpha")
    adjust_carrier(stage.rt, "alpha", None, pace or 0)
    theirs = [paid(stage, person, account="other") for person in PEOPLE[:6]]
    ours = [paid(stage, person) for person in PEOPLE[6:]]
    if is_seen:
        set_account_state(stage.rt, "other", SUSPENDED)
    else:
        stage.world.run("UPDATE accounts SET state = 'suspended' WHERE name = 'other'")

    # only theirs are hinted: at a carrier with a limit that calls ours too
    stage.carry([hint for hints in (theirs if pace else [*theirs, *ours]) for hint in hints])

    assert stage.world.rows("SELECT count(*) FROM messages WHERE status = 'sent' GROUP BY account_id") == [6]
    assert {row[:2] for row in held(stage)} <= {("account", "queued")}
    assert sum(hint.size for hints in theirs for hint in hints) == 6


def test_held_batches_are_neither_hinted_promoted_nor_claimed(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage, *PEOPLE[:3]) + paid(stage, PEOPLE[3])
    set_account_state(stage.rt, "acme", SUSPENDED)
    stage.passes(3600)

    assert promote(stage.rt) == []
    assert sweep(stage.rt).queued == []
    assert deliver(stage.rt, [hint.batch for hint in hints]) == []
    with stage.rt.begin() as conn:
        assert batch_claims.next_of(conn, "alpha") == []
        assert batch_claims.claim(conn, [hint.batch for hint in hints], 60) == []
    assert stage.world.rows("SELECT DISTINCT hints, claims, fence FROM batches") == [(0, 0, 0)]


def test_a_suspension_during_a_delivery_run_ends_it_and_holds_the_rest(stage: Stage) -> None:
    stage.set(portion_size=2)
    alpha = stage.carrier("alpha", *[BUSY] * 2)
    stage.carrier("beta")
    hints = paid(stage, *PEOPLE[:4])
    alpha.meanwhile = lambda: suspend_unseen(stage)

    stage.carry(hints)

    assert len(alpha.given) == 4
    assert stage.stands().count(("sent", "captured", None)) == 2
    assert held(stage) == [("account", "queued", 2, 0, ["alpha"])]
    stage.world.run("UPDATE accounts SET state = 'active'")
    look(stage)
    assert stage.stands() == [("sent", "captured", None)] * 4


def test_many_batches_of_an_account_are_held_in_portions(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "PORTION", 3)
    stage.carrier("alpha")
    for person in PEOPLE[:10]:
        paid(stage, person)

    assert set_account_state(stage.rt, "acme", SUSPENDED) == 10
    assert set_account_state(stage.rt, "acme", SUSPENDED) == 0

    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)
    assert stage.stands() == [("sent", "captured", None)] * 10


# Carriers ---------------------------------------------------------------------------------------------------------


def drain(stage: Stage, *names: str) -> None:
    for name in names:
        set_carrier_state(stage.rt, name, DRAINED, "works tonight")


def test_batches_of_a_drained_carrier_go_to_the_next_route(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    hints = paid(stage)
    drain(stage, "alpha")

    stage.carry(hints)

    assert stage.tried() == [("beta", "accepted")]


def misconfigure(stage: Stage, *names: str) -> None:
    for name in names:
        stage.world.run('UPDATE carriers SET settings = \'{"doubt": "nonsense"}\' WHERE name = %(name)s', name=name)


def unknown_kind(stage: Stage, *names: str) -> None:
    for name in names:
        stage.world.run("UPDATE carriers SET kind = 'gone' WHERE name = %(name)s", name=name)


def mend(stage: Stage, name: str) -> None:
    stage.world.run(
        "UPDATE carriers SET kind = %(kind)s, settings = '{}', state = 'active' WHERE name = %(name)s",
        kind=KIND,
        name=name,
    )


STOPS = {"drained": drain, "of an unknown kind": unknown_kind}


@pytest.mark.parametrize("kind", ["otp", "transactional", "bulk"])
@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("names", [["alpha"], ["alpha", "beta"], ["beta", "alpha"]], ids=" ".join)
def test_messages_without_a_usable_carrier_wait_without_attempts_until_one_is_back(
    stage: Stage, names: Sequence[str], stop: Any, kind: str
) -> None:
    for name in sorted(names):
        stage.carrier(name)
    hints = paid(stage, *PEOPLE[:2], kind=kind)
    stop(stage, *names)

    stage.carry(hints)
    looks(stage, 61, 61, 300)

    assert stage.tried() == []
    assert stage.stands() == [(None, "held", None)] * 2
    assert held(stage) == [("carrier", "queued", 1, 0, [])]
    mend(stage, names[0])
    look(stage)
    assert stage.tried() == [(names[0], "accepted")] * 2
    assert stage.world.rows("SELECT DISTINCT attempt, round FROM batches") == [(1, 0)]


def test_a_carrier_with_invalid_settings_holds_its_batches_until_they_are_corrected(stage: Stage) -> None:
    set_carrier(stage.rt, "alpha", "simulated", {"script": {}})
    set_route(stage.rt, "*", "alpha")
    stage.world.run("UPDATE carriers SET settings = '{\"speed\": 1}' WHERE name = 'alpha'")
    hints = paid(stage)

    stage.carry(hints)
    looks(stage, 30)
    assert held(stage) == [("carrier", "queued", 1, 0, [])]
    set_carrier(stage.rt, "alpha", "simulated", {"script": {}})
    look(stage)

    assert stage.tried() == [("alpha", "accepted")]


def test_a_batch_held_for_a_carrier_is_sent_by_a_route_that_is_added(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage)
    drain(stage, "alpha")
    stage.carry(hints)
    assert [row[0] for row in held(stage)] == ["carrier"]

    stage.carrier("beta")
    look(stage)

    assert stage.tried() == [("beta", "accepted")]


def test_a_batch_held_for_a_carrier_expires(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage, kind="otp")
    drain(stage, "alpha")
    stage.carry(hints)

    looks(stage, 300, 601)

    assert stage.stands() == [("failed", "released", "expired")]
    assert stage.world.balance() == 1_000_000


def test_a_busy_carrier_ends_a_round_while_the_other_is_drained(stage: Stage) -> None:
    stage.carrier("alpha", BUSY)
    stage.carrier("beta")
    hints = paid(stage)
    drain(stage, "beta")

    stage.carry(hints)

    assert stage.world.rows("SELECT round, status, held FROM batches ORDER BY round") == [
        (0, "done", None),
        (1, "waiting", None),
    ]


def test_a_carrier_drained_during_failover_is_skipped_and_the_next_round_begins(stage: Stage) -> None:
    stage.carrier("alpha", BUSY)
    stage.carrier("beta")
    [hint] = paid(stage)
    next_carrier = deliver(stage.rt, [hint.batch])
    drain(stage, "beta")

    stage.carry(next_carrier)
    assert stage.world.rows("SELECT round, attempt FROM batches WHERE status = 'waiting'") == [(1, 2)]
    looks(stage, 6)

    assert stage.tried() == [("alpha", "refused_transient"), ("alpha", "accepted")]


def test_repeated_checks_of_a_held_batch_create_no_successor_batches(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage, *PEOPLE[:3])
    drain(stage, "alpha")
    stage.carry(hints)

    looks(stage, *[61] * 8)

    assert stage.world.rows("SELECT count(*), max(claims), max(attempt) FROM batches") == [(1, 0, 1)]
    due = stage.world.rows("SELECT due_at - now() > interval '2 minutes' FROM batches")
    assert due == [True]


def test_an_undelivered_message_fails_if_the_other_carrier_is_drained_before_the_resend(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    drain(stage, "beta")

    stage.turn()
    assert stage.stands() == [("failed", "captured", "undelivered")]


def test_a_resend_waits_for_its_carrier_if_that_is_drained_before_the_retry(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta", BUSY).retry_after = 5
    [message] = stage.send()
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()
    drain(stage, "beta")
    looks(stage, 6, 100)
    assert held(stage) == [("carrier", "queued", 3, 0, ["alpha"])]

    set_carrier_state(stage.rt, "beta", RESUMED)
    look(stage)

    assert stage.tried()[-1] == ("beta", "accepted")


def test_a_batch_is_held_in_turn_for_its_suspended_account_and_its_drained_carrier(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage)
    drain(stage, "alpha")
    set_account_state(stage.rt, "acme", SUSPENDED)
    stage.carry(hints)
    assert [row[0] for row in held(stage)] == ["account"]

    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)
    assert [row[0] for row in held(stage)] == ["carrier"]
    set_account_state(stage.rt, "acme", SUSPENDED)
    set_carrier_state(stage.rt, "alpha", RESUMED)
    look(stage)
    assert [row[0] for row in held(stage)] == ["account"]
    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)

    assert stage.tried() == [("alpha", "accepted")]


def test_test_messages_are_held_with_their_account(stage: Stage) -> None:
    hints = paid(stage, test=True)
    set_account_state(stage.rt, "acme", SUSPENDED)
    stage.carry(hints)
    assert [row[0] for row in held(stage)] == ["account"]

    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)

    assert stage.tried() == [("simulated", "accepted")]


# What is told of it -----------------------------------------------------------------------------------------------


def test_held_batches_are_counted_by_reason_and_account_or_carrier(stage: Stage) -> None:
    another_account(stage)
    stage.carrier("alpha")
    paid(stage, *PEOPLE[:3])
    theirs = paid(stage, *PEOPLE[3:5], account="other")
    set_account_state(stage.rt, "acme", SUSPENDED)
    drain(stage, "alpha")
    stage.carry(theirs)

    found = operator_reports.overview_of(stage.rt, stage.rt.now() - timedelta(hours=1)).held
    [alpha] = carrier_statuses(stage.rt, timedelta(hours=1), "alpha")

    assert [tuple(row.values()) for row in found] == [("account", "acme", 1, 3), ("carrier", "alpha", 1, 2)]
    assert {str(why): there.messages for why, there in alpha.held.items()} == {"account": 3, "carrier": 2}
    assert alpha.waiting == {}
    set_carrier_state(stage.rt, "alpha", RESUMED)
    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)
    assert operator_reports.overview_of(stage.rt, stage.rt.now() - timedelta(hours=1)).held == []


def test_the_database_refuses_a_hold_of_a_batch_that_is_done(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.send()

    with pytest.raises(Exception, match="batches_holdable"):
        stage.world.run("UPDATE batches SET held = 'account'")
