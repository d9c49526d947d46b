"""Receipts that are stored and applied on arrival, in any order, repeated or late."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from pipeline.rules.identity import ids
from pipeline.stages.admin.audit import audit
from pipeline.stages.receive import keep
from pipeline.stages.resend import resend_due
from pipeline.stages.settle import settle, settle_on_arrival
from pipeline.store import messages
from schema.carriage import Receipt
from schema.message import Hint
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.stages.scripted import Stage, Standing
from tests.world import World

SENT = ("sent", "captured", None)
DELIVERED = ("delivered", "captured", None)
UNDELIVERED = ("failed", "captured", "undelivered")


def states(stage: Stage) -> list[str]:
    return list(stage.world.rows("SELECT state FROM receipts ORDER BY id"))


@pytest.mark.parametrize("by_us", [False, True], ids=["by its reference", "by ours"])
@pytest.mark.parametrize(
    ("verdict", "state", "kept"),
    [
        (ReceiptVerdict.DELIVERED, DELIVERED, "applied"),
        (ReceiptVerdict.FAILED, UNDELIVERED, "applied"),
        (ReceiptVerdict.PENDING, SENT, "ignored"),
    ],
)
def test_a_receipt_changes_the_status_of_its_message_on_arrival(
    stage: Stage, verdict: ReceiptVerdict, state: Standing, kept: str, by_us: bool
) -> None:
    stage.carrier("alpha")
    [message] = stage.send()

    assert stage.receive(message, "alpha", verdict, by_us=by_us) == 1

    assert stage.stands() == [state]
    assert states(stage) == [kept]


@pytest.mark.parametrize("together", [True, False])
def test_a_receipt_that_arrives_three_times_is_stored_and_applied_once(stage: Stage, together: bool) -> None:
    stage.carrier("alpha")
    [message] = stage.send()
    thrice = [stage.report(message, "alpha", key="1") for _ in range(3)]

    kept = (
        [settle_on_arrival(stage.rt, thrice)] if together else [settle_on_arrival(stage.rt, [each]) for each in thrice]
    )

    assert sum(kept) == 1
    assert states(stage) == ["applied"]
    assert stage.stands() == [DELIVERED]


def test_receipts_after_the_delivered_one_are_ignored(stage: Stage) -> None:
    stage.carrier("alpha")
    [message] = stage.send()

    for verdict in (ReceiptVerdict.PENDING, ReceiptVerdict.DELIVERED, ReceiptVerdict.FAILED, ReceiptVerdict.PENDING):
        stage.receive(message, "alpha", verdict)

    assert stage.stands() == [DELIVERED]
    assert states(stage) == ["ignored", "applied", "ignored", "ignored"]


def test_a_receipt_that_arrives_before_the_submit_response_is_settled_after_it(stage: Stage) -> None:
    stage.carrier("alpha")
    [hint] = stage.world.pay(stage.world.submit(stage.world.order()))
    [message] = stage.world.rows("SELECT id FROM messages")
    stage.receive(message, "alpha")
    assert states(stage) == ["waiting"]

    stage.carry([hint])
    stage.passes(1)
    settle(stage.rt)

    assert states(stage) == ["applied"]
    assert stage.stands() == [DELIVERED]


def test_a_duplicate_of_a_waiting_receipt_makes_it_due_at_once(stage: Stage) -> None:
    stage.carrier("alpha")
    [hint] = stage.world.pay(stage.world.submit(stage.world.order()))
    [message] = stage.world.rows("SELECT id FROM messages")
    early = stage.report(message, "alpha", key="1")
    settle_on_arrival(stage.rt, [early])
    settle(stage.rt)  # nothing to be made of it: it waits a second
    stage.carry([hint])

    assert settle(stage.rt) == 0
    assert settle_on_arrival(stage.rt, [early]) == 0
    assert stage.stands() == [SENT]
    assert settle(stage.rt) == 1

    assert states(stage) == ["applied"]
    assert stage.stands() == [DELIVERED]


@pytest.mark.parametrize(
    ("is_taken", "kept", "then"), [(True, "ignored", SENT), (False, "waiting", ("failed", "captured", "undelivered"))]
)
def test_a_failed_receipt_during_a_resend_fails_the_message_only_if_the_resend_fails(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, is_taken: bool, kept: str, then: Standing
) -> None:
    stage.carrier("alpha")
    beta = stage.carrier("beta")
    [message] = stage.send()
    keep(stage.rt, [stage.report(message, "alpha", ReceiptVerdict.FAILED, retryable=True, key="1")])
    lock = messages.lock_sent
    hints: list[Hint] = []

    def lock_late(conn: Connection, ids: Sequence[UUID]) -> Any:
        """As if `retake` had held the message just then."""
        monkeypatch.setattr(messages, "lock_sent", lock)
        hints.extend(resend_due(stage.rt).hints)
        if is_taken:
            stage.carry(hints)
        return lock(conn, ids)

    monkeypatch.setattr(messages, "lock_sent", lock_late)
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, key="2")

    assert hints
    assert stage.stands() == [SENT]
    assert states(stage) == ["applied", kept]
    beta.answers = [Outcome.REFUSED_PERMANENT]
    stage.carry([] if is_taken else hints)
    settle(stage.rt)
    assert stage.stands() == [then]


def test_a_receipt_for_an_unknown_message_waits_and_is_orphaned_in_the_end(stage: Stage) -> None:
    stage.carrier("alpha")
    [message] = stage.send()
    settle_on_arrival(stage.rt, [stage.report(stage.rt.new_ids(), "alpha")])
    stage.passes(73 * 3600)

    settle(stage.rt)

    assert states(stage) == ["orphaned"]
    assert stage.world.status(message) == "sent"


@pytest.mark.parametrize("days", [2.1, 6])
def test_a_receipt_that_arrives_days_late_is_applied(stage: Stage, days: float) -> None:
    stage.carrier("alpha")
    [message] = stage.send()
    old = ids.new_ids(stage.rt.now() - timedelta(days=days), 7)
    for statement in (
        "UPDATE provider_attempts SET message_id = %(old)s, carrier_ref = 'old'",
        "UPDATE messages SET id = %(old)s",
        "UPDATE batches SET first_id = %(old)s, last_id = %(old)s",
    ):
        stage.world.run(statement, old=old)

    settle_on_arrival(stage.rt, [Receipt("alpha", "1", ReceiptVerdict.DELIVERED, "old", None, None, None, "{}")])

    assert stage.world.status(old) == "delivered"
    assert message != old


def test_a_reused_carrier_reference_belongs_to_the_newest_message(stage: Stage) -> None:
    stage.carrier("alpha")
    old, new = stage.send()[0], stage.send()[0]
    stage.world.run("UPDATE provider_attempts SET carrier_ref = '7'")

    settle_on_arrival(stage.rt, [Receipt("alpha", "1", ReceiptVerdict.DELIVERED, "7", None, None, None, "{}")])

    assert (stage.world.status(old), stage.world.status(new)) == ("sent", "delivered")


def test_a_receipt_with_the_reference_of_another_carrier_is_not_applied(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    report = stage.report(message, "alpha")

    settle_on_arrival(
        stage.rt, [Receipt("beta", "1", ReceiptVerdict.DELIVERED, report.carrier_ref, message, None, None, "{}")]
    )

    assert stage.world.status(message) == "sent"
    assert states(stage) == ["waiting"]


def test_receipts_of_two_carriers_with_equal_keys_are_both_stored(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = stage.send()
    unknown = stage.rt.new_ids()

    new = settle_on_arrival(stage.rt, [stage.report(unknown, "beta", key="1"), stage.report(message, "alpha", key="1")])

    assert new == 2
    assert stage.stands() == [DELIVERED]
    found = stage.world.rows("SELECT carrier, state FROM receipts ORDER BY carrier")
    assert found == [("alpha", "applied"), ("beta", "waiting")]


def test_a_failed_receipt_from_the_carrier_with_the_unknown_outcome_fails_the_message(stage: Stage) -> None:
    stage.carrier("alpha", Outcome.UNKNOWN)
    stage.carrier("beta", Outcome.NOT_WRITTEN)
    [message] = stage.send()
    stage.go_on(604)
    assert stage.tried() == [("alpha", "unknown"), ("beta", "not_written")]

    stage.receive(message, "alpha", ReceiptVerdict.FAILED, by_us=True)

    assert stage.stands() == [("failed", "released", "undelivered")]


# Any history -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(shared_world: World) -> Iterator[World]:
    yield shared_world
    assert [finding for finding in audit(shared_world.rt) if finding.broken] == []


words = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(ReceiptVerdict), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words, st.lists(st.integers(1, 5), max_size=5))
def test_the_status_of_a_message_depends_on_its_receipts_and_not_on_their_order(
    crowd: World, reported: list[tuple[int, ReceiptVerdict, int, bool]], cuts: list[int]
) -> None:
    sent = crowd.send(*[f"+234801234567{n}" for n in range(3)]).messages
    refs = dict(
        crowd.rows("SELECT message_id, carrier_ref FROM provider_attempts WHERE message_id = ANY(%(ids)s)", ids=sent)
    )
    reports = [
        Receipt(
            "alpha",
            f"{sent[place]}-{verdict}-{key}",
            verdict,
            None if by_us else refs[sent[place]],
            sent[place] if by_us else None,
            None,
            None,
            "{}",
        )
        for place, verdict, key, by_us in reported
    ]
    said = {id_: {report.verdict for report in reports if str(id_) in report.key} for id_ in sent}
    expected = {
        id_: "delivered"
        if ReceiptVerdict.DELIVERED in words
        else "failed"
        if ReceiptVerdict.FAILED in words
        else "sent"
        for id_, words in said.items()
    }

    keys = {report.key for report in reports}
    rest = list(reports)
    for size in cuts:
        settle_on_arrival(crowd.rt, rest[:size])
        rest = rest[size:]
    settle_on_arrival(crowd.rt, rest)

    assert {id_: crowd.status(id_) for id_ in sent} == expected
    moved = {id_ for id_, status in expected.items() if status != "sent"}
    applied = crowd.rows("SELECT key FROM receipts WHERE state = 'applied' AND key = ANY(%(keys)s)", keys=list(keys))
    assert {str(id_) for id_ in moved} == {key.rpartition("-")[0].rpartition("-")[0] for key in applied}
    assert len(applied) <= 2 * len(moved)
