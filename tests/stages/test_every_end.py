"""Every way in which a message may end, from its taking in to a receipt that comes late: the audit holds after each.

`stage` audits when its test is over.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline.rules.lifecycle import FINAL, REVOCABLE
from pipeline.stages.admin.administer import set_account_state, set_carrier_state
from pipeline.stages.cancel import cancel
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.settle import settle
from pipeline.stages.sweep import sweep
from pipeline.store import leases
from schema.message import Hint
from schema.vocabulary import AccountState, CarrierState, Code, Outcome, ReceiptVerdict, Status
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
        [claim] = leases.claim(conn, [hints[0].batch], 60)
        leases.advance(conn, [leases.PortionMark(claim.span.batch, claim.fence, None, first)], 60)
    stage.world.run("UPDATE batches SET lease_until = now() - interval '1 second', claims = 3")
    sweep(stage.rt)
    stage.receive(first, "alpha", by_us=True)


def taken_back(stage: Stage) -> None:
    paid(stage, send_at=stage.rt.now() + timedelta(hours=1))
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


def sent(stage: Stage, *answers: Outcome, **fields: Any) -> Any:
    """Send one message to a first carrier that answers so; return its id."""
    stage.carrier("alpha", *answers)
    [message] = stage.send(**fields)
    return message


def undelivered(stage: Stage) -> None:
    stage.receive(sent(stage), "alpha", ReceiptVerdict.FAILED)


def undelivered_in_doubt(stage: Stage) -> None:
    stage.receive(sent(stage, UNKNOWN), "alpha", ReceiptVerdict.FAILED, by_us=True)


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


FAILED, REJECTED, DELIVERED = Status.FAILED, Status.REJECTED, (Status.DELIVERED, None)
ENDS: dict[str, tuple[Callable[[Stage], None], tuple[Status, Code | None]]] = {
    **{f"{code} at its claim": (stopped(code), (REJECTED, code)) for code in CHANGES},
    **{f"{code} at its second": (stopped_at_the_second_carrier(code), (FAILED, code)) for code in CHANGES},
    "opted out when its minute came": (stopped_when_its_minute_came, (REJECTED, Code.OPTED_OUT)),
    "opted out over night": (stopped_after_its_night, (REJECTED, Code.OPTED_OUT)),
    "no price": (without_a_price, (REJECTED, Code.NO_PRICE)),
    "no money": (too_dear, (REJECTED, Code.INSUFFICIENT_FUNDS)),
    "poison before it was paid": (kills_its_segmenter, (REJECTED, Code.POISON)),
    "poison at its carrier": (kills_its_worker, (FAILED, Code.POISON)),
    "cancelled": (taken_back, (Status.CANCELLED, None)),
    "refused": (refused, (FAILED, Code.CARRIER_REFUSED)),
    "refused after a doubt": (refused_after_a_doubt, (FAILED, Code.CARRIER_REFUSED)),
    "no carrier left": (busy_for_ever, (FAILED, Code.NO_CARRIER_LEFT)),
    "expired": (expired, (FAILED, Code.EXPIRED)),
    "expired on hold, its account suspended": (
        expired_while_it_was_held(lambda stage: set_account_state(stage.rt, "acme", AccountState.SUSPENDED)),
        (FAILED, Code.EXPIRED),
    ),
    "expired on hold, its carrier drained": (
        expired_while_it_was_held(lambda stage: set_carrier_state(stage.rt, "alpha", CarrierState.DRAINED)),
        (FAILED, Code.EXPIRED),
    ),
    "expired after a doubt": (expired_after_a_doubt, (FAILED, Code.EXPIRED)),
    "undelivered": (undelivered, (FAILED, Code.UNDELIVERED)),
    "undelivered in doubt": (undelivered_in_doubt, (FAILED, Code.UNDELIVERED)),
    "undelivered by two": (undelivered_by_two, (FAILED, Code.UNDELIVERED)),
    "undelivered, refused by another": (undelivered_and(REFUSED), (FAILED, Code.UNDELIVERED)),
    "undelivered, another is busy": (undelivered_and(BUSY), (FAILED, Code.UNDELIVERED)),
    "undelivered, opted out": (undelivered_and(change=opt_out), (FAILED, Code.UNDELIVERED)),
    "unresolved": (unresolved, (FAILED, Code.UNRESOLVED)),
    "undelivered, then in doubt": (undelivered_then_unresolved, (FAILED, Code.UNDELIVERED)),
    "delivered": (delivered, DELIVERED),
    "delivered by a template": (delivered_by_a_template, DELIVERED),
    "delivered as a test": (delivered_as_a_test, DELIVERED),
    "delivered in doubt": (delivered_in_doubt, DELIVERED),
    "delivered after undelivered": (delivered_after(undelivered), DELIVERED),
    "delivered after undelivered in doubt": (delivered_after(undelivered_in_doubt), DELIVERED),
    "delivered by the first of two": (delivered_after(undelivered_by_two), DELIVERED),
    "delivered by the second of two": (delivered_after(undelivered_by_two, "beta"), DELIVERED),
    "delivered after another refused it": (delivered_after(undelivered_and(REFUSED)), DELIVERED),
    "delivered after unresolved": (delivered_after(unresolved), DELIVERED),
    "delivered after it was said to be refused": (delivered_after(refused_after_a_doubt), DELIVERED),
    "delivered after it was said to be expired": (delivered_after(expired_after_a_doubt), DELIVERED),
}


@pytest.mark.parametrize(("play", "end"), ENDS.values(), ids=ENDS)
def test_after_every_end_of_a_message_the_audit_holds(
    stage: Stage, play: Callable[[Stage], None], end: tuple[Status, Code | None]
) -> None:
    play(stage)

    states = {(status, code) for status, _, code in stage.stands()}
    assert end in states
    assert stage.world.rows("SELECT count(*) FROM messages WHERE money = 'held'") == [0]


def test_every_status_a_message_ends_in_is_among_them_and_every_failure_that_may_be_taken_back() -> None:
    ends = {end for _, end in ENDS.values()}

    assert {status for status, _ in ends} == FINAL
    assert {code for status, code in ends if status is FAILED} >= REVOCABLE
