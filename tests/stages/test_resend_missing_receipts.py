"""Resends of messages that a carrier accepted without sending a receipt, and how long the texts of codes are kept."""

import pytest

from pipeline.stages import dead_letters
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.receipt_latency import measure_receipt_latency
from pipeline.stages.resend import resend_due
from pipeline.stages.settle import settle_on_arrival
from schema.carriage import Receipt
from schema.dead_letter import DeadLetter
from schema.vocabulary import CarrierState, DeadLetterSource, Outcome, ReceiptVerdict
from tests.stages.scripted import Stage

SENT = ("sent", "captured", None)
TEXT = "Your code is 9081726"


def learnt(stage: Stage, carrier: str = "alpha", seconds: float | None = 30) -> None:
    """A carrier's receipts come within so many seconds."""
    stage.world.run("UPDATE carriers SET receipt_seconds = %(s)s WHERE name = %(name)s", s=seconds, name=carrier)


@pytest.mark.parametrize(
    ("kind", "seconds", "tried"),
    [
        ("otp", 29, 1),
        ("otp", 32, 2),
        ("transactional", 29, 1),
        ("transactional", 32, 2),
        ("bulk", 32, 1),
        ("bulk", 90_000, 1),
    ],
)
def test_a_message_without_a_receipt_in_the_usual_time_is_resent_by_another_carrier(
    stage: Stage, kind: str, seconds: float, tried: int
) -> None:
    stage.carrier("alpha")
    learnt(stage)
    stage.carrier("beta")
    stage.send(kind=kind)

    stage.go_on(seconds)

    assert len(stage.tried()) == tried
    assert stage.stands() == [SENT]
    assert stage.world.balance() == 1_000_000 - 400


def test_a_message_is_not_resent_if_the_usual_receipt_time_of_its_carrier_is_unknown(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    stage.send()

    stage.go_on(32, 90_000)

    assert len(stage.tried()) == 1
    assert stage.world.rows("SELECT watch_at FROM batches") == [None]


@pytest.mark.parametrize("verdict", ReceiptVerdict)
def test_a_message_with_any_receipt_is_not_resent_for_a_missing_one(stage: Stage, verdict: ReceiptVerdict) -> None:
    stage.carrier("alpha")
    learnt(stage)
    stage.carrier("beta")
    [message] = stage.send()

    stage.receive(message, "alpha", verdict)
    stage.go_on(32, 90_000)

    assert len(stage.tried()) == 1


@pytest.mark.parametrize("source", [DeadLetterSource.SMPP, DeadLetterSource.RECEIPT])
@pytest.mark.parametrize(
    ("origin", "before", "tried"), [("alpha", None, 1), ("alpha", 3000, 1), ("alpha", 3700, 2), ("beta", None, 2)]
)
def test_a_message_is_not_resent_while_receipts_of_its_carrier_cannot_be_read(
    stage: Stage, source: DeadLetterSource, origin: str, before: float | None, tried: int
) -> None:
    stage.carrier("alpha")
    learnt(stage)
    stage.carrier("beta")
    letter = DeadLetter(source, origin, "receipt_without_id", b"x")
    if before:
        dead_letters.keep(stage.rt, [letter])
        stage.passes(before)

    stage.send()
    if not before:
        dead_letters.keep(stage.rt, [letter])
    stage.go_on(32)

    assert len(stage.tried()) == tried
    assert stage.stands() == [SENT]


@pytest.mark.parametrize("part", [1, 3])
def test_a_message_with_a_receipt_for_one_part_is_not_resent_for_a_missing_one(stage: Stage, part: int) -> None:
    stage.carrier("alpha").parts = 3
    learnt(stage)
    stage.carrier("beta")
    [message] = stage.send()

    stage.receive(message, "alpha", part=part)
    stage.go_on(32)

    assert len(stage.tried()) == 1


def test_a_missing_receipt_leads_to_one_resend_only(stage: Stage) -> None:
    for name in ("alpha", "beta", "gamma"):
        stage.carrier(name)
        learnt(stage, name)
    stage.send()

    stage.go_on(32, 64, 96, 3600)

    assert [carrier for carrier, _ in stage.tried()] == ["alpha", "beta"]
    assert stage.world.rows("SELECT DISTINCT watch_at FROM batches") == [None]


@pytest.mark.parametrize(
    "why", ["worth nothing", "nobody else", "drained", "suspended", "never", "too dear", "in doubt there"]
)
def test_a_message_without_a_receipt_is_not_resent_if_no_other_carrier_may_take_it(stage: Stage, why: str) -> None:
    stage.set(resends=0 if why == "never" else 1, resend_cost=999 if why == "too dear" else None)
    stage.carrier("alpha", *[Outcome.UNKNOWN] if why == "in doubt there" else [])
    learnt(stage, seconds=7200 if why == "worth nothing" else 30)
    if why != "nobody else":
        stage.carrier("beta", cost=1000)
    if why == "drained":
        set_carrier_state(stage.rt, "beta", CarrierState.DRAINED)
    stage.send(hours=1)
    if why == "suspended":
        stage.world.run("UPDATE accounts SET state = 'suspended'")

    stage.go_on(32, 7300)

    assert len(stage.tried()) == 1
    assert [status for status, *_ in stage.stands()] == ["sent"]


def test_a_message_without_a_receipt_is_resent_after_its_account_is_resumed(stage: Stage) -> None:
    stage.carrier("alpha")
    learnt(stage)
    stage.carrier("beta")
    stage.send()
    stage.world.run("UPDATE accounts SET state = 'suspended'")
    stage.go_on(32, 100)
    assert len(stage.tried()) == 1

    stage.world.run("UPDATE accounts SET state = 'active'")
    stage.go_on(61)

    assert [carrier for carrier, _ in stage.tried()] == ["alpha", "beta"]


@pytest.mark.parametrize("late", [5, 3600, 48 * 3600])
@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (ReceiptVerdict.DELIVERED, None, "delivered"),
        (ReceiptVerdict.FAILED, None, "sent"),
        (ReceiptVerdict.FAILED, ReceiptVerdict.DELIVERED, "delivered"),
        (None, ReceiptVerdict.FAILED, "failed"),
        (ReceiptVerdict.DELIVERED, ReceiptVerdict.FAILED, "delivered"),
    ],
)
def test_late_receipts_of_both_carriers_are_applied_after_a_resend(
    stage: Stage, first: ReceiptVerdict | None, second: ReceiptVerdict | None, state: str, late: float
) -> None:
    stage.carrier("alpha")
    learnt(stage)
    stage.carrier("beta")
    [message] = stage.send(hours=200)
    stage.go_on(32)
    stage.passes(late)

    for carrier, verdict in (("alpha", first), ("beta", second)):
        if verdict:
            for _ in range(3):
                stage.receive(message, carrier, verdict)

    assert [status for status, *_ in stage.stands()] == [state]
    assert stage.world.rows("SELECT count(*) FROM receipts WHERE state = 'applied'") == [int(state != "sent")]
    assert stage.world.balance() == 1_000_000 - 400


@pytest.mark.parametrize("answer", [Outcome.REFUSED_PERMANENT, Outcome.NOT_WRITTEN, Outcome.UNKNOWN])
def test_a_resend_that_is_not_accepted_leaves_the_message_sent_by_the_first_carrier(
    stage: Stage, answer: Outcome
) -> None:
    stage.carrier("alpha")
    learnt(stage)
    stage.carrier("beta", answer)
    [message] = stage.send()

    stage.go_on(32, 700, 74 * 3600)
    assert stage.stands() == [SENT]
    stage.receive(message, "alpha")

    assert stage.stands() == [("delivered", "captured", None)]


# Codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_learnt", [True, False])
def test_the_text_of_a_code_is_kept_until_it_expires(stage: Stage, is_learnt: bool) -> None:
    stage.carrier("alpha")
    learnt(stage, seconds=30 if is_learnt else None)
    stage.send(kind="otp", hours=0.25, body=TEXT)
    bodies = {}

    for moment in (0, 32, 860, 70):
        stage.go_on(moment)
        [bodies[moment]] = stage.world.rows("SELECT body FROM messages")

    assert bodies == {0: TEXT, 32: TEXT, 860: TEXT, 70: "*" * len(TEXT)}


def test_the_text_of_a_code_is_still_there_for_a_resend_after_a_late_failed_receipt(stage: Stage) -> None:
    stage.carrier("alpha")
    learnt(stage)
    stage.carrier("beta")
    [message] = stage.send(kind="otp", hours=0.25, body=TEXT)
    stage.receive(message, "alpha", ReceiptVerdict.PENDING)
    stage.go_on(32, 100)

    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()

    assert [carrier for carrier, _ in stage.tried()] == ["alpha", "beta"]


def test_the_text_of_a_resent_code_is_redacted_after_it_expires(stage: Stage) -> None:
    stage.carrier("alpha", Outcome.UNKNOWN)
    stage.carrier("beta")
    stage.send(kind="otp", hours=0.25, body=TEXT)
    stage.go_on(22)
    assert stage.world.rows("SELECT body FROM messages") == [TEXT]

    stage.passes(900)
    resend_due(stage.rt)

    assert stage.world.rows("SELECT body FROM messages") == ["*" * len(TEXT)]


# Habits --------------------------------------------------------------------------------------------------------


def listens_to(stage: Stage, count: int, seconds: float) -> None:
    """Alpha reports so many messages, each so many seconds after it had it."""
    for message in stage.send(*[f"+234801234{n:04}" for n in range(count)]):
        stage.receive(message, "alpha")
    stage.world.run(
        "UPDATE receipts AS r SET received_at = a.marked_at + %(seconds)s * interval '1 second'"
        " FROM provider_attempts AS a WHERE a.carrier_ref = r.carrier_ref",
        seconds=seconds,
    )


@pytest.mark.parametrize(("count", "seconds", "expected"), [(49, 20, None), (50, 20, 60), (50, 1, 10)])
def test_the_usual_receipt_time_of_a_carrier_is_measured_from_fifty_receipts_on(
    stage: Stage, count: int, seconds: float, expected: float | None
) -> None:
    stage.carrier("alpha")
    listens_to(stage, count, seconds)

    measure_receipt_latency(stage.rt)

    assert stage.world.rows("SELECT receipt_seconds FROM carriers WHERE name = 'alpha'") == [expected]


@pytest.mark.parametrize(("strange", "seconds", "tried"), [(0, 60, 2), (9, 60, 2), (49, 60, 2), (50, None, 1)])
def test_a_carrier_with_many_receipts_for_unknown_references_has_no_usual_receipt_time(
    stage: Stage, strange: int, seconds: float | None, tried: int
) -> None:
    stage.carrier("alpha")
    listens_to(stage, 60, 20)
    measure_receipt_latency(stage.rt)
    stage.carrier("beta")
    [message] = stage.send("+2348012999999")
    reported = [
        Receipt("alpha", f"{n}/x", ReceiptVerdict.DELIVERED, f"other-{n}", None, None, None, "id:x")
        for n in range(strange)
    ]
    settle_on_arrival(stage.rt, reported)
    stage.world.run("UPDATE receipts SET received_at = received_at - interval '11 seconds' WHERE state = 'waiting'")

    measure_receipt_latency(stage.rt)
    learned = stage.world.rows("SELECT receipt_seconds FROM carriers WHERE name = 'alpha'")
    stage.go_on(62)

    assert learned == [seconds]
    assert stage.world.rows("SELECT count(*) FROM provider_attempts WHERE message_id = %(id)s", id=message) == [tried]
