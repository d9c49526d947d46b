"""Every way in which a message may end, from admission to a late receipt: the audit holds after each.

`stage` audits when its test is over.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.rules.lifecycle import FINAL, STATES, State
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.cancel import cancel
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.settle import settle
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims
from schema.message import Hint
from schema.vocabulary import AccountState, CarrierState, Code, Money, Outcome, ReceiptVerdict, Status
from tests.stages.permissions import opt_out, quiet
from tests.stages.scripted import Stage

BUSY, REFUSED, UNKNOWN = Outcome.REFUSED_TRANSIENT, Outcome.REFUSED_PERMANENT, Outcome.UNKNOWN
HOUR = 3600.0


def paid(stage: Stage, *answers: Outcome, kind: str = "transactional", **fields: Any) -> list[Hint]:
    """Take a message in for a carrier that answers so, and for another behind it."""
    stage.carrier("alpha", *answers)
    stage.carrier("beta")
    hints: list[Hint] = stage.world.pay(stage.world.submit(stage.world.order(message_class=kind, **fields)))
    return hints


# What stops it at its claim, before any carrier heard of it or after one was asked --------------------------------

CHANGES: dict[Code, Callable[[Any], object]] = {
    Code.OPTED_OUT: opt_out,
    Code.SENDER_INVALID: lambda world: world.run("UPDATE sender_ids SET state = 'rejected'"),
    Code.COUNTRY_FORBIDDEN: lambda world: world.run("UPDATE accounts SET countries = '{GH}'"),
    Code.QUIET_HOURS: lambda world: quiet(world, action="reject"),
}


def stopped(code: Code) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        hints = paid(stage)
        CHANGES[code](stage.world)
        stage.carry(hints)

    return play


def stopped_at_the_second_carrier(code: Code) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        [hint] = paid(stage, BUSY)
        next_carrier = deliver(stage.rt, [hint.batch])
        CHANGES[code](stage.world)
        stage.carry(next_carrier)

    return play


def stopped_when_its_minute_came(stage: Stage) -> None:
    paid(stage, send_at=stage.rt.now() + timedelta(seconds=30))
    opt_out(stage.world)
    stage.passes(31)
    stage.carry(promote(stage.rt))


def stopped_after_its_night(stage: Stage) -> None:
    hints = paid(stage)
    quiet(stage.world)
    stage.carry(hints)
    assert stage.stands() == [(None, "held", None)]
    stage.world.run("DELETE FROM quiet_hours")
    opt_out(stage.world)
    stage.world.make_due()
    stage.carry(promote(stage.rt))


# What stops it before that ----------------------------------------------------------------------------------------


def without_a_price(stage: Stage) -> None:
    stage.world.run("DELETE FROM prices")
    paid(stage)


def too_dear(stage: Stage) -> None:
    stage.world.run("UPDATE prices SET per_segment = 2000000")
    paid(stage)


def kills_its_segmenter(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.world.submit(stage.world.order())
    stage.world.run("UPDATE batches SET hints = 1, claims = 3, hinted_at = now() - interval '1 hour'")
    sweep(stage.rt)


def kills_its_worker(stage: Stage) -> None:
    stage.carrier("alpha")
    hints = stage.world.pay(stage.world.submit(stage.world.order("+2348012345678", "+2348012345679")))
    first, _ = stage.world.rows("SELECT id FROM messages ORDER BY id")
    with stage.rt.begin() as conn:
        [claim] = batch_claims.claim(conn, [hints[0].batch], 60)
        batch_claims.advance(conn, [batch_claims.PortionMark(claim.span.batch, claim.fence, None, first)], 60)
    stage.world.run("UPDATE batches SET lease_until = now() - interval '1 second', claims = 3")
    sweep(stage.rt)
    stage.receive(first, "alpha", by_us=True)


def taken_back(stage: Stage) -> None:
    paid(stage, send_at=stage.rt.now() + timedelta(hours=1))
    cancel(stage.rt, None, stage.world.rows("SELECT id FROM messages"))


def taken_back_unpaid(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.world.submit(stage.world.order(send_at=stage.rt.now() + timedelta(hours=1)))
    cancel(stage.rt, None, stage.world.rows("SELECT id FROM messages"))


# What carriers make of it -----------------------------------------------------------------------------------------


def refused(stage: Stage) -> None:
    stage.carry(paid(stage, REFUSED))


def refused_after_a_doubt(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN, doubt="queryable").says = REFUSED
    stage.send()
    stage.go_on(3, 10)


def busy_for_ever(stage: Stage) -> None:
    stage.carrier("alpha", *[BUSY] * 20)
    stage.send()
    for _ in range(8):
        stage.world.make_due()
        stage.carry(promote(stage.rt))


def expired(stage: Stage) -> None:
    hints = paid(stage, valid_until=stage.rt.now() + timedelta(minutes=5))
    stage.passes(301)
    stage.carry(hints)


def expired_while_it_was_held(hold: Callable[[Stage], object]) -> Callable[[Stage], None]:
    """Return what waited on hold until it was worth nothing."""

    def play(stage: Stage) -> None:
        stage.carrier("alpha")
        fields = {"message_class": "otp", "valid_until": stage.rt.now() + timedelta(minutes=10)}
        hints = stage.world.pay(stage.world.submit(stage.world.order(**fields)))
        hold(stage)
        stage.carry(hints)
        assert stage.stands() == [(None, "held", None)]
        stage.passes(601)
        stage.carry(promote(stage.rt))

    return play


def expired_after_a_doubt(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN, doubt="queryable").says = Outcome.NOT_WRITTEN
    stage.send(kind="bulk", hours=1)
    stage.go_on(HOUR + 1, HOUR + 60)


def sent(stage: Stage, *answers: Outcome, **fields: Any) -> UUID:
    """Send one message to a first carrier that answers so; return its id."""
    stage.carrier("alpha", *answers)
    [message] = stage.send(**fields)
    return message


def undelivered(stage: Stage) -> None:
    stage.receive(sent(stage), "alpha", ReceiptVerdict.FAILED)


def undelivered_in_doubt(stage: Stage) -> None:
    stage.receive(sent(stage, UNKNOWN), "alpha", ReceiptVerdict.FAILED, by_us=True)


def undelivered_after_it_was_said_to_be_taken(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN, doubt="queryable").says = Outcome.ACCEPTED
    [message] = stage.send()
    stage.go_on(3, 10)
    stage.receive(message, "alpha", ReceiptVerdict.FAILED)


def undelivered_by_two(stage: Stage) -> None:
    message = sent(stage)
    stage.carrier("beta")
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()
    stage.receive(message, "beta", ReceiptVerdict.FAILED)


def undelivered_and(*answers: Outcome, change: Callable[[Any], object] = lambda _: None) -> Callable[[Stage], None]:
    """Return what one carrier could not deliver and another does not get or take."""

    def play(stage: Stage) -> None:
        message = sent(stage)
        stage.carrier("beta", *answers)
        stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
        change(stage.world)
        stage.turn()

    return play


def unresolved(stage: Stage) -> None:
    sent(stage, UNKNOWN, kind="bulk")
    stage.go_on(73 * HOUR)


def undelivered_then_unresolved(stage: Stage) -> None:
    undelivered_and(UNKNOWN)(stage)
    stage.go_on(200 * HOUR)


# What is delivered ------------------------------------------------------------------------------------------------


def delivered(stage: Stage) -> None:
    stage.receive(sent(stage), "alpha")


def delivered_by_a_template(stage: Stage) -> None:
    stage.world.run(
        "INSERT INTO templates (account_id, slug, body) VALUES (%(id)s, 'ride', 'At 9.')", id=stage.world.account
    )
    stage.receive(sent(stage, template="ride"), "alpha")


def delivered_as_a_test(stage: Stage) -> None:
    stage.send(test=True)
    stage.passes(60)
    settle(stage.rt)


def delivered_in_doubt(stage: Stage) -> None:
    stage.receive(sent(stage, UNKNOWN), "alpha", by_us=True)


def delivered_after(end: Callable[[Stage], None], carrier: str = "alpha") -> Callable[[Stage], None]:
    """Return an end that a carrier's late receipt takes back."""

    def play(stage: Stage) -> None:
        end(stage)
        assert [state[0] for state in stage.stands()] == ["failed"]
        [message] = stage.world.rows("SELECT id FROM messages")
        by_us = stage.world.rows("SELECT carrier_ref IS NULL FROM provider_attempts WHERE carrier = %(c)s", c=carrier)
        stage.receive(message, carrier, by_us=all(by_us))

    return play


FAILED, REJECTED, DELIVERED = Status.FAILED, Status.REJECTED, Status.DELIVERED
GIVEN_BACK, EARNED, TAKEN = Money.RELEASED, Money.CAPTURED, Outcome.ACCEPTED
#: name → (play, the state that it ends in)
ENDS: dict[str, tuple[Callable[[Stage], None], State]] = {
    **{f"{code} at its claim": (stopped(code), State(REJECTED, code, GIVEN_BACK, None)) for code in CHANGES},
    **{
        f"{code} at its second": (stopped_at_the_second_carrier(code), State(FAILED, code, GIVEN_BACK, None))
        for code in CHANGES
    },
    "opted out when its minute came": (
        stopped_when_its_minute_came,
        State(REJECTED, Code.OPTED_OUT, GIVEN_BACK, None),
    ),
    "opted out over night": (stopped_after_its_night, State(REJECTED, Code.OPTED_OUT, GIVEN_BACK, None)),
    "no price": (without_a_price, State(REJECTED, Code.NO_PRICE, None, None)),
    "no money": (too_dear, State(REJECTED, Code.INSUFFICIENT_FUNDS, None, None)),
    "poison before it was paid": (kills_its_segmenter, State(REJECTED, Code.POISON, None, None)),
    "poison at its carrier": (kills_its_worker, State(FAILED, Code.POISON, GIVEN_BACK, None)),
    "cancelled": (taken_back, State(Status.CANCELLED, None, GIVEN_BACK, None)),
    "cancelled before it was paid": (taken_back_unpaid, State(Status.CANCELLED, None, None, None)),
    "refused": (refused, State(FAILED, Code.CARRIER_REFUSED, GIVEN_BACK, None)),
    "refused after a doubt": (refused_after_a_doubt, State(FAILED, Code.CARRIER_REFUSED, GIVEN_BACK, UNKNOWN)),
    "no carrier left": (busy_for_ever, State(FAILED, Code.NO_CARRIER_LEFT, GIVEN_BACK, None)),
    "expired": (expired, State(FAILED, Code.EXPIRED, GIVEN_BACK, None)),
    "expired on hold, its account suspended": (
        expired_while_it_was_held(lambda stage: set_account_state(stage.rt, "acme", AccountState.SUSPENDED)),
        State(FAILED, Code.EXPIRED, GIVEN_BACK, None),
    ),
    "expired on hold, its carrier drained": (
        expired_while_it_was_held(lambda stage: set_carrier_state(stage.rt, "alpha", CarrierState.DRAINED)),
        State(FAILED, Code.EXPIRED, GIVEN_BACK, None),
    ),
    "expired after a doubt": (expired_after_a_doubt, State(FAILED, Code.EXPIRED, GIVEN_BACK, UNKNOWN)),
    "undelivered": (undelivered, State(FAILED, Code.UNDELIVERED, EARNED, TAKEN)),
    "undelivered in doubt": (undelivered_in_doubt, State(FAILED, Code.UNDELIVERED, GIVEN_BACK, UNKNOWN)),
    "undelivered after it was said to be taken": (
        undelivered_after_it_was_said_to_be_taken,
        State(FAILED, Code.UNDELIVERED, EARNED, UNKNOWN),
    ),
    "undelivered by two": (undelivered_by_two, State(FAILED, Code.UNDELIVERED, EARNED, TAKEN)),
    "undelivered, refused by another": (
        undelivered_and(REFUSED),
        State(FAILED, Code.UNDELIVERED, EARNED, TAKEN),
    ),
    "undelivered, another is busy": (undelivered_and(BUSY), State(FAILED, Code.UNDELIVERED, EARNED, TAKEN)),
    "undelivered, opted out": (
        undelivered_and(change=opt_out),
        State(FAILED, Code.UNDELIVERED, EARNED, TAKEN),
    ),
    "unresolved": (unresolved, State(FAILED, Code.UNRESOLVED, GIVEN_BACK, UNKNOWN)),
    "undelivered, then in doubt": (
        undelivered_then_unresolved,
        State(FAILED, Code.UNDELIVERED, EARNED, TAKEN),
    ),
    "delivered": (delivered, State(DELIVERED, None, EARNED, TAKEN)),
    "delivered by a template": (delivered_by_a_template, State(DELIVERED, None, EARNED, TAKEN)),
    "delivered as a test": (delivered_as_a_test, State(DELIVERED, None, None, TAKEN)),
    "delivered in doubt": (delivered_in_doubt, State(DELIVERED, None, EARNED, UNKNOWN)),
    "delivered after undelivered": (delivered_after(undelivered), State(DELIVERED, None, EARNED, TAKEN)),
    "delivered after undelivered in doubt": (
        delivered_after(undelivered_in_doubt),
        State(DELIVERED, None, GIVEN_BACK, UNKNOWN),
    ),
    "delivered by the first of two": (
        delivered_after(undelivered_by_two),
        State(DELIVERED, None, EARNED, TAKEN),
    ),
    "delivered by the second of two": (
        delivered_after(undelivered_by_two, "beta"),
        State(DELIVERED, None, EARNED, TAKEN),
    ),
    "delivered after another refused it": (
        delivered_after(undelivered_and(REFUSED)),
        State(DELIVERED, None, EARNED, TAKEN),
    ),
    "delivered after unresolved": (delivered_after(unresolved), State(DELIVERED, None, GIVEN_BACK, UNKNOWN)),
    "delivered after it was said to be refused": (
        delivered_after(refused_after_a_doubt),
        State(DELIVERED, None, GIVEN_BACK, UNKNOWN),
    ),
    "delivered after it was said to be expired": (
        delivered_after(expired_after_a_doubt),
        State(DELIVERED, None, GIVEN_BACK, UNKNOWN),
    ),
}

REACHED = """
SELECT status, error_code, money,
       (SELECT min(outcome) FROM provider_attempts AS a JOIN batches AS b ON b.id = a.batch_id
        WHERE a.message_id = m.id AND b.resend_reason IS NULL AND outcome IN ('accepted', 'unknown'))
FROM messages AS m
"""


@pytest.mark.parametrize(("play", "end"), ENDS.values(), ids=ENDS)
def test_the_audit_holds_after_every_way_a_message_ends(
    stage: Stage, play: Callable[[Stage], None], end: State
) -> None:
    play(stage)

    states = {State(*row) for row in stage.world.rows(REACHED)}
    assert end in states
    assert states <= STATES
    assert stage.world.rows("SELECT count(*) FROM messages WHERE money = 'held'") == [0]


def test_the_tested_ends_include_every_final_state_of_the_lifecycle() -> None:
    ends = {end for _, end in ENDS.values()}

    # what costs nothing ends as what costs something does
    costly = {state._replace(money=None) for state in STATES if state.money}
    legal = {state for state in STATES if state.status in FINAL and (state.money or state not in costly)}
    assert ends >= legal
    assert ends <= STATES
