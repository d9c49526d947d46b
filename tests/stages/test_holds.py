"""A hold is not a failure: what is held burns no round and no attempt, goes on when its reason is gone, or expires.

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
def test_what_a_suspended_account_has_on_its_way_waits_untouched_and_goes_on(stage: Stage, kind: str) -> None:
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
def test_a_held_code_expires_after_its_minutes_and_its_money_comes_back(stage: Stage, minutes: int) -> None:
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


def test_scheduled_and_waiting_batches_are_held_as_they_stand_and_go_on_when_due(stage: Stage) -> None:
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


def test_what_is_not_due_yet_when_its_account_is_resumed_waits_for_its_minute(stage: Stage) -> None:
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


def test_what_is_held_may_still_be_taken_back_before_its_minute(stage: Stage) -> None:
    stage.carrier("alpha")
    paid(stage, send_at=stage.rt.now() + timedelta(hours=1))
    set_account_state(stage.rt, "acme", SUSPENDED)

    cancel(stage.rt, None, stage.world.rows("SELECT id FROM messages"))
    set_account_state(stage.rt, "acme", ACTIVE)
    looks(stage, 3601)

    assert stage.stands() == [("cancelled", "released", None)]
    assert stage.tried() == []


def test_what_is_held_may_be_taken_back_after_its_minute_too(stage: Stage) -> None:
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
def test_a_batch_made_after_the_suspension_is_held_at_its_claim(stage: Stage, made: str) -> None:
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


def test_a_failure_that_another_carrier_might_mend_is_mended_when_the_account_is_resumed(stage: Stage) -> None:
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


def test_one_that_is_delivered_meanwhile_is_not_sent_once_more(stage: Stage) -> None:
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


def test_a_held_resend_that_expires_has_failed_as_undelivered(stage: Stage) -> None:
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
def test_held_batches_keep_nobody_else_waiting(stage: Stage, pace: float | None, is_seen: bool) -> None:
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


def test_nothing_is_hinted_or_promoted_while_it_is_held(stage: Stage) -> None:
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


def test_who_is_suspended_in_the_middle_of_a_trip_ends_it_and_the_rest_is_held(stage: Stage) -> None:
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


def test_many_batches_are_held_in_portions(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_drained_carriers_batches_go_to_the_next_route(stage: Stage) -> None:
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
def test_where_no_carrier_is_left_messages_wait_unburnt_until_any_is_back(
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


def test_an_unfit_setting_is_as_a_drain_and_what_waits_for_it_goes_on_when_it_is_mended(stage: Stage) -> None:
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


def test_what_waits_for_a_carrier_goes_by_a_route_that_is_added(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage)
    drain(stage, "alpha")
    stage.carry(hints)
    assert [row[0] for row in held(stage)] == ["carrier"]

    stage.carrier("beta")
    look(stage)

    assert stage.tried() == [("beta", "accepted")]


def test_what_waits_for_a_carrier_expires(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage, kind="otp")
    drain(stage, "alpha")
    stage.carry(hints)

    looks(stage, 300, 601)

    assert stage.stands() == [("failed", "released", "expired")]
    assert stage.world.balance() == 1_000_000


def test_a_carrier_that_was_asked_and_is_busy_costs_a_round_though_the_other_is_drained(stage: Stage) -> None:
    stage.carrier("alpha", BUSY)
    stage.carrier("beta")
    hints = paid(stage)
    drain(stage, "beta")

    stage.carry(hints)

    assert stage.world.rows("SELECT round, status, held FROM batches ORDER BY round") == [
        (0, "done", None),
        (1, "waiting", None),
    ]


def test_after_a_busy_carrier_one_that_is_drained_meanwhile_holds_nothing_up(stage: Stage) -> None:
    stage.carrier("alpha", BUSY)
    stage.carrier("beta")
    [hint] = paid(stage)
    next_carrier = deliver(stage.rt, [hint.batch])
    drain(stage, "beta")

    stage.carry(next_carrier)
    assert stage.world.rows("SELECT round, attempt FROM batches WHERE status = 'waiting'") == [(1, 2)]
    looks(stage, 6)

    assert stage.tried() == [("alpha", "refused_transient"), ("alpha", "accepted")]


def test_a_batch_that_is_looked_at_again_and_again_stays_one(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = paid(stage, *PEOPLE[:3])
    drain(stage, "alpha")
    stage.carry(hints)

    looks(stage, *[61] * 8)

    assert stage.world.rows("SELECT count(*), max(claims), max(attempt) FROM batches") == [(1, 0, 1)]
    due = stage.world.rows("SELECT due_at - now() > interval '2 minutes' FROM batches")
    assert due == [True]


def test_an_undelivered_message_waits_for_the_other_carrier_that_is_drained_just_now(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    drain(stage, "beta")

    stage.turn()
    assert stage.stands() == [("failed", "captured", "undelivered")]


def test_one_on_its_way_to_a_carrier_that_is_drained_just_then_waits_for_it(stage: Stage) -> None:
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


def test_who_is_suspended_while_his_carrier_is_drained_is_held_for_the_one_and_then_for_the_other(stage: Stage) -> None:
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


def test_tests_are_held_with_their_account(stage: Stage) -> None:
    hints = paid(stage, test=True)
    set_account_state(stage.rt, "acme", SUSPENDED)
    stage.carry(hints)
    assert [row[0] for row in held(stage)] == ["account"]

    set_account_state(stage.rt, "acme", ACTIVE)
    look(stage)

    assert stage.tried() == [("simulated", "accepted")]


# What is told of it -----------------------------------------------------------------------------------------------


def test_how_much_is_held_is_told_by_reason_and_by_name(stage: Stage) -> None:
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


def test_a_batch_is_held_only_while_it_waits(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.send()

    with pytest.raises(Exception, match="batches_holdable"):
        stage.world.run("UPDATE batches SET held = 'account'")
