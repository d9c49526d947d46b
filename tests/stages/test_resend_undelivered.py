"""Resends of messages that a carrier accepted and could not deliver."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any
from uuid import UUID

import pytest

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.promote import promote
from pipeline.stages.receive import keep
from pipeline.stages.resend import resend_due, store_answers
from pipeline.stages.settle import settle, settle_on_arrival
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims, message_moves, messages
from schema.carriage import Attempt
from schema.vocabulary import CarrierState, Outcome, ReceiptVerdict
from tests.stages.scripted import Stage, Standing
from tests.transitions.statement_log import statements

UNKNOWN, REFUSED, BUSY, NOT_WRITTEN = (
    Outcome.UNKNOWN,
    Outcome.REFUSED_PERMANENT,
    Outcome.REFUSED_TRANSIENT,
    Outcome.NOT_WRITTEN,
)
SENT = ("sent", "captured", None)
UNDELIVERED = ("failed", "captured", "undelivered")
DELIVERED = ("delivered", "captured", None)


def fails(stage: Stage, message: UUID, carrier: str = "alpha", **more: Any) -> None:
    """A carrier reports that it could not deliver, and somebody looks."""
    stage.receive(message, carrier, ReceiptVerdict.FAILED, **({"retryable": True} | more))
    stage.turn()


@pytest.mark.parametrize("kind", ["otp", "transactional", "bulk"])
def test_a_message_with_a_retryable_failed_receipt_is_resent_by_another_carrier(stage: Stage, kind: str) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send(kind=kind)

    fails(stage, message)

    assert stage.tried() == [("alpha", "accepted"), ("beta", "accepted")]
    assert stage.stands() == [SENT]
    assert stage.world.balance() == 1_000_000 - 400
    assert stage.world.rows("SELECT state FROM receipts") == ["applied"]
    stage.receive(message, "beta")
    assert stage.stands() == [DELIVERED]


@pytest.mark.parametrize(
    ("case", "state"),
    [
        pytest.param({"retryable": False}, UNDELIVERED, id="for a reason that any other has too"),
        pytest.param({"resends": 0}, UNDELIVERED, id="nothing is sent once more"),
        pytest.param({"seconds": 7200}, UNDELIVERED, id="it is worth nothing any more"),
        pytest.param({"beta": None}, UNDELIVERED, id="there is no other"),
        pytest.param({"beta": 9000, "limit": 8999}, UNDELIVERED, id="the other asks too much"),
        pytest.param({"suspended": True}, SENT, id="the account is suspended: it is held until that is over"),
        pytest.param({"drained": True}, UNDELIVERED, id="the other is drained"),
        pytest.param({}, SENT, id="in time, and another is there"),
    ],
)
def test_an_undelivered_message_fails_if_no_other_carrier_may_take_it(
    stage: Stage, case: dict[str, Any], state: Standing
) -> None:
    stage.set(resends=case.get("resends", 1), resend_cost=case.get("limit"))
    stage.carrier("alpha")
    if case.get("beta", 1) is not None:
        stage.carrier("beta", cost=case.get("beta"))
    [message] = stage.send(hours=1)
    if case.get("suspended"):
        stage.world.run("UPDATE accounts SET state = 'suspended'")
    if case.get("drained"):
        set_carrier_state(stage.rt, "beta", CarrierState.DRAINED)
    stage.passes(case.get("seconds", 0))

    fails(stage, message, retryable=case.get("retryable", True))

    assert stage.stands() == [state]


@pytest.mark.parametrize("answers", [[REFUSED], [BUSY], [NOT_WRITTEN]])
def test_an_undelivered_message_fails_if_the_other_carrier_does_not_accept_it(
    stage: Stage, answers: list[Outcome]
) -> None:
    stage.carrier("alpha")
    stage.carrier("beta", *answers)
    [message] = stage.send()

    fails(stage, message)

    assert stage.stands() == [UNDELIVERED]
    assert len(stage.tried()) == 2


def test_a_resend_of_an_undelivered_message_waits_for_a_throttled_carrier(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta", BUSY).retry_after = 5
    [message] = stage.send()

    fails(stage, message)
    assert stage.world.rows("SELECT carrier, attempt, resend_reason FROM batches WHERE status = 'waiting'") == [
        ("beta", 3, "undelivered")
    ]
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, key="another word for it")
    assert stage.stands() == [SENT]
    stage.world.make_due()
    stage.carry(promote(stage.rt))

    assert stage.tried()[1:] == [("beta", "refused_transient"), ("beta", "accepted")]
    stage.world.run("UPDATE receipts SET due_at = now()")
    settle(stage.rt)
    assert stage.stands() == [SENT]


def test_resent_and_ended_messages_are_locked_together_before_any_is_changed(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta", REFUSED, BUSY).retry_after = 5
    first, second = stage.send("+2348012345601", "+2348012345602")
    for message in (first, second):
        stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)

    with statements(stage.rt.engine) as run:
        stage.turn()

    [moved] = [place for place, (statement, _) in enumerate(run) if message_moves._REASSIGN in statement][1:]
    locks = [params["ids"] for statement, params in run[:moved] if messages._LOCK_SENT in statement]
    assert locks[-1] == sorted([first, second])
    assert sorted(stage.stands()) == sorted([UNDELIVERED, SENT])


def test_a_failed_receipt_of_the_second_carrier_fails_the_message(stage: Stage) -> None:
    for name in ("alpha", "beta", "gamma"):
        stage.carrier(name)
    [message] = stage.send()
    fails(stage, message)

    fails(stage, message, "beta")

    assert stage.stands() == [UNDELIVERED]
    assert len(stage.tried()) == 2


@pytest.mark.parametrize("retryable", [True, False])
def test_further_failed_receipts_of_the_first_carrier_are_ignored_after_the_resend(
    stage: Stage, retryable: bool
) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    fails(stage, message, key="1")

    for key in ("1", "2", "3"):
        fails(stage, message, key=key, retryable=retryable)

    assert stage.stands() == [SENT]
    assert len(stage.tried()) == 2
    assert stage.world.rows("SELECT state FROM receipts ORDER BY key") == ["applied", "ignored", "ignored"]


def test_a_failed_receipt_is_not_final_while_the_message_is_being_resent(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    hints = resend_due(stage.rt).hints

    stage.receive(message, "alpha", ReceiptVerdict.FAILED)
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    resend_due(stage.rt)
    assert stage.stands() == [SENT]
    stage.carry(hints)
    stage.world.run("UPDATE receipts SET due_at = now()")
    settle(stage.rt)
    stage.turn()

    assert stage.stands() == [SENT]
    assert stage.world.rows("SELECT count(*) FROM receipts WHERE state = 'waiting'") == [0]


def test_a_delivered_receipt_before_the_resend_is_sent_cancels_it(stage: Stage) -> None:
    stage.carrier("alpha")
    beta = stage.carrier("beta")
    [message] = stage.send()
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    hints = resend_due(stage.rt).hints

    stage.receive(message, "alpha")
    stage.carry(hints)

    assert stage.stands() == [DELIVERED]
    assert beta.given == []
    assert stage.world.rows("SELECT status FROM batches ORDER BY created_at DESC LIMIT 1") == ["done"]


def test_a_resend_of_a_message_with_an_unknown_outcome_is_paid_when_a_carrier_accepts_it(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta")
    [message] = stage.send()

    fails(stage, message, by_us=True)

    assert stage.stands() == [SENT]
    assert stage.world.rows("SELECT kind, count(*) FROM ledger WHERE kind <> 'topup' GROUP BY 1 ORDER BY 1") == [
        ("capture", 1),
        ("hold", 1),
    ]


@pytest.mark.parametrize("answer", [REFUSED, BUSY])
def test_the_money_of_an_unknown_outcome_is_released_if_the_resend_is_not_accepted(
    stage: Stage, answer: Outcome
) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta", answer)
    [message] = stage.send()

    fails(stage, message, by_us=True)

    assert stage.stands() == [("failed", "released", "undelivered")]
    assert stage.world.balance() == 1_000_000


@pytest.mark.parametrize(("first", "money"), [(Outcome.ACCEPTED, "captured"), (UNKNOWN, "released")])
@pytest.mark.parametrize("why", ["opted out", "poison", "never cleared up", "refused after all", "never had it"])
def test_an_undelivered_message_fails_for_any_reason_that_its_resend_does_not_succeed(
    stage: Stage, first: Outcome, money: str, why: str
) -> None:
    stage.carrier("alpha", first)
    stage.carrier("beta", UNKNOWN)
    [message] = stage.send()
    if why == "opted out":
        stage.world.run(
            "INSERT INTO opt_outs (account_id, phone, sender, class, source)"
            " SELECT account_id, phone, '', '', 'STOP' FROM messages"
        )
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True, by_us=True)
    [hint] = resend_due(stage.rt).hints
    if why == "poison":
        with stage.rt.begin() as conn:
            [claim] = batch_claims.claim(conn, [hint.batch], 60)
        stage.world.run("UPDATE batches SET lease_until = now() - interval '1 second' WHERE status = 'sending'")
        with stage.rt.begin() as conn:
            batch_claims.advance(conn, [batch_claims.PortionMark(hint.batch, claim.fence, None, message)], 60)
        stage.world.run(
            "UPDATE batches SET lease_until = now() - interval '1 second', claims = 3 WHERE status = 'sending'"
        )
    else:
        stage.carry([hint])
    if why in ("refused after all", "never had it"):
        says = REFUSED if why == "refused after all" else NOT_WRITTEN
        store_answers(stage.rt, "beta", [Attempt(message, says)])

    stage.go_on(1, 700, 73 * 3600, 81 * 3600)

    assert stage.stands() == [("failed", money, "undelivered")]


@pytest.mark.parametrize("way", ["kept and settled later", "booked at once"])
def test_receipts_have_the_same_result_whether_settled_later_or_on_arrival(stage: Stage, way: str) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    one, two, three = stage.send("+2348012345671", "+2348012345672", "+2348012345673")
    reported = [
        stage.report(one, "alpha", ReceiptVerdict.FAILED, retryable=True),
        stage.report(two, "alpha", ReceiptVerdict.FAILED),
        stage.report(three, "alpha"),
    ]

    if way == "booked at once":
        settle_on_arrival(stage.rt, reported)
    else:
        keep(stage.rt, reported)
        settle(stage.rt)
    stage.turn()

    assert stage.stands() == [SENT, UNDELIVERED, DELIVERED]
    assert stage.world.rows("SELECT DISTINCT state FROM receipts") == ["applied"]


def test_a_failed_receipt_for_an_unknown_message_waits_and_is_orphaned_in_the_end(stage: Stage) -> None:
    stage.carrier("alpha")
    fails(stage, stage.rt.new_ids())
    assert stage.world.rows("SELECT state, due_at > now() FROM receipts") == [("waiting", True)]

    stage.passes(73 * 3600)
    stage.turn()

    assert stage.world.rows("SELECT state FROM receipts") == ["orphaned"]


def test_concurrent_settling_resends_each_message_once(stage: Stage, settings: Settings) -> None:
    stage.carrier("alpha")
    beta = stage.carrier("beta")
    people = stage.send(*[f"+23480123456{n:02}" for n in range(50)])
    for message in people:
        stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    together = threading.Barrier(3)

    def look(rt: Runtime) -> list[Any]:
        together.wait()
        settle(rt)
        return resend_due(rt).hints

    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        several = [stack.enter_context(closing(Runtime(settings))) for _ in range(3)]
        hints = [hint for found in pool.map(look, several) for hint in found]
    stage.carry(hints)

    assert sorted(beta.given) == sorted(people)


def test_the_resend_batch_of_a_dead_worker_is_swept_once(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    one, two = sorted(stage.send("+2348012345671", "+2348012345672"))
    for message in (one, two):
        stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    [hint] = resend_due(stage.rt).hints
    with stage.rt.begin() as conn:
        [claim] = batch_claims.claim(conn, [hint.batch], 60)
        batch_claims.advance(conn, [batch_claims.PortionMark(hint.batch, claim.fence, None, one)], 60)
    stage.passes(61)

    hints = sweep(stage.rt).queued
    stage.carry(hints + sweep(stage.rt).queued)

    assert stage.world.rows("SELECT message_id, outcome FROM provider_attempts WHERE n = 2 ORDER BY 1") == [
        (one, "unknown"),
        (two, "accepted"),
    ]
    assert stage.stands() == [SENT, SENT]
