"""Resends of messages with unknown outcomes, by ability of the carrier, message class and time of late answers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.cancel import cancel
from pipeline.stages.resend import resend_due, store_answers
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims
from schema.carriage import Attempt
from schema.vocabulary import CarrierState, Outcome, ReceiptVerdict
from tests.stages.scripted import Stage, Standing

UNKNOWN, ACCEPTED, REFUSED = Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.REFUSED_PERMANENT
NOT_WRITTEN, BUSY = Outcome.NOT_WRITTEN, Outcome.REFUSED_TRANSIENT
#: seconds after sending at which somebody looks: every boundary from just before and just behind
MOMENTS = (1, 3, 10, 19, 22, 60, 296, 304, 596, 604, 3600, 86_400)

SENT = ("sent", "captured", None)
IN_DOUBT = ("sent", "held", None)


@pytest.mark.parametrize(
    ("kind", "expected", "state"),
    [
        ("otp", ["22: beta accepted"], SENT),
        ("transactional", ["604: beta accepted"], SENT),
        ("bulk", [], IN_DOUBT),
    ],
)
def test_without_deduplication_or_query_the_message_class_decides_on_a_resend(
    stage: Stage, kind: str, expected: list[str], state: Standing
) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta")
    stage.send(kind=kind)

    stage.go_on(*MOMENTS)

    assert stage.history == expected
    assert stage.stands() == [state]


@pytest.mark.parametrize("kind", ["otp", "transactional", "bulk"])
def test_a_carrier_that_deduplicates_by_our_reference_gets_the_message_again(stage: Stage, kind: str) -> None:
    alpha = stage.carrier("alpha", UNKNOWN, doubt="dedupes", window=300)
    stage.carrier("beta")
    [message] = stage.send(kind=kind)

    stage.go_on(*MOMENTS)

    assert stage.history == ["3: alpha accepted"]
    assert alpha.given == [message, message]
    assert stage.stands() == [SENT]
    assert stage.world.balance() == 1_000_000 - 400
    resent = "SELECT resend_reason, routing_snapshot_id FROM batches WHERE resend_reason IS NOT NULL"
    assert stage.world.rows(resent) == [("repeat", None)]


@pytest.mark.parametrize("answer", [UNKNOWN, NOT_WRITTEN, BUSY])
@pytest.mark.parametrize(
    ("kind", "window", "expected", "state"),
    [
        ("otp", 300, ["3: alpha", "10: alpha", "19: alpha", "22: beta"], SENT),
        ("transactional", 300, ["3: alpha", "10: alpha", "19: alpha", "60: alpha", "296: alpha", "604: beta"], SENT),
        ("bulk", 300, ["3: alpha", "10: alpha", "19: alpha", "60: alpha", "296: alpha"], IN_DOUBT),
        ("otp", 1, ["22: beta"], SENT),
        ("transactional", 1, ["604: beta"], SENT),
        ("bulk", 1, [], IN_DOUBT),
    ],
)
def test_a_deduplicating_carrier_is_retried_with_backoff_within_its_window(
    stage: Stage, answer: Outcome, kind: str, window: float, expected: list[str], state: Standing
) -> None:
    stage.carrier("alpha", UNKNOWN, *[answer] * 20, doubt="dedupes", window=window)
    stage.carrier("beta")
    stage.send(kind=kind)

    stage.go_on(*MOMENTS)

    assert stage.history == [f"{each} {answer}" if "alpha" in each else f"{each} accepted" for each in expected]
    assert stage.stands() == [state]


@pytest.mark.parametrize(
    ("says", "kind", "expected", "state"),
    [
        (ACCEPTED, "otp", [], SENT),
        (ACCEPTED, "transactional", [], SENT),
        (ACCEPTED, "bulk", [], SENT),
        (NOT_WRITTEN, "otp", ["10: beta accepted"], SENT),
        (NOT_WRITTEN, "transactional", ["10: beta accepted"], SENT),
        (NOT_WRITTEN, "bulk", ["10: beta accepted"], SENT),
        (REFUSED, "otp", [], ("failed", "released", "carrier_refused")),
        (REFUSED, "transactional", [], ("failed", "released", "carrier_refused")),
        (REFUSED, "bulk", [], ("failed", "released", "carrier_refused")),
        (UNKNOWN, "otp", ["22: beta accepted"], SENT),
        (UNKNOWN, "transactional", ["604: beta accepted"], SENT),
        (UNKNOWN, "bulk", [], IN_DOUBT),
    ],
)
def test_a_carrier_that_can_be_queried_is_asked_for_the_outcome(
    stage: Stage, says: Outcome, kind: str, expected: list[str], state: Standing
) -> None:
    alpha = stage.carrier("alpha", UNKNOWN, doubt="queryable")
    alpha.says = says
    stage.carrier("beta")
    stage.send(kind=kind)

    stage.go_on(*MOMENTS)

    assert stage.history == expected
    assert stage.stands() == [state]
    assert bool(len(alpha.asked) > 1) is (says is UNKNOWN)


def test_the_outcome_is_queried_with_backoff(stage: Stage) -> None:
    alpha = stage.carrier("alpha", UNKNOWN, doubt="queryable")
    stage.send(kind="bulk")

    stage.go_on(*range(2, 400))

    assert 4 <= len(alpha.asked) <= 7


def test_a_message_that_its_carrier_never_received_expires_if_no_other_carrier_takes_it(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN, doubt="queryable").says = NOT_WRITTEN
    stage.send(hours=1)

    stage.go_on(3, 10, 1300, 3599, 3700)

    assert stage.stands() == [("failed", "released", "expired")]
    assert stage.world.balance() == 1_000_000


def test_an_expired_message_with_an_unknown_outcome_is_not_resent(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    beta = stage.carrier("beta")
    stage.send(hours=1 / 60)

    stage.go_on(61, 601, 4000)

    assert beta.given == []
    assert stage.stands() == [IN_DOUBT]


def test_an_unknown_outcome_of_a_code_is_resent_before_many_older_ones(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stages.resend.candidates.PORTION", 5)
    monkeypatch.setattr("pipeline.stages.resend.candidates.ROUNDS", 1)
    stage.carrier("alpha", *[UNKNOWN] * 14)
    stage.carrier("beta")
    stage.send(*[f"+23480123456{n:02}" for n in range(12)])
    [code] = stage.send(kind="otp")

    stage.go_on(1, 2, 3, 21)

    assert stage.lines["beta"].given == [code]


# What else may come ----------------------------------------------------------------------------------------------


def test_a_delivered_receipt_resolves_an_unknown_outcome_and_prevents_the_resend(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    beta = stage.carrier("beta")
    [message] = stage.send()

    stage.receive(message, "alpha", by_us=True)
    stage.go_on(*MOMENTS)

    assert beta.given == []
    assert stage.stands() == [("delivered", "captured", None)]
    assert stage.world.rows("SELECT resolved_at IS NOT NULL FROM provider_attempts") == [True]


@pytest.mark.parametrize("seconds", [700, 48 * 3600])
@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        pytest.param(
            ReceiptVerdict.DELIVERED, ("delivered", "captured", None), id="the first carrier had it after all"
        ),
        pytest.param(ReceiptVerdict.FAILED, SENT, id="of the first carrier nobody asks any more"),
    ],
)
def test_late_receipts_of_the_first_carrier_are_applied_if_delivered_and_ignored_if_failed(
    stage: Stage, verdict: ReceiptVerdict, state: Standing, seconds: float
) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta")
    [message] = stage.send(hours=100)
    stage.go_on(601)

    stage.passes(seconds)
    for _ in range(3):
        stage.receive(message, "alpha", verdict, by_us=True)

    assert stage.stands() == [state]
    states = stage.world.rows("SELECT state FROM receipts ORDER BY id")
    assert states == (["applied"] if verdict is ReceiptVerdict.DELIVERED else ["ignored"]) + ["ignored"] * 2
    assert stage.world.balance() == 1_000_000 - 400


@pytest.mark.parametrize(
    ("second", "tried"),
    [
        pytest.param(REFUSED, ["beta"], id="for good: nobody else is asked"),
        pytest.param(BUSY, ["beta", "gamma"], id="for now: the next"),
        pytest.param(NOT_WRITTEN, ["beta", "gamma"], id="not reached: the next"),
        pytest.param(UNKNOWN, ["beta"], id="in doubt too: so often and not more"),
    ],
)
def test_the_outcome_at_the_second_carrier_decides_whether_a_third_is_tried(
    stage: Stage, second: Outcome, tried: list[str]
) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta", second)
    stage.carrier("gamma")
    [message] = stage.send()

    stage.go_on(601, 700, 2000, 10_000)

    assert [carrier for carrier, _ in stage.tried()[1:]] == tried
    assert stage.stands() == [SENT if len(tried) == 2 else IN_DOUBT]
    stage.receive(message, "alpha", ReceiptVerdict.FAILED, by_us=True)
    undelivered = ("failed", "released", "undelivered")
    assert stage.stands() == [undelivered if second is REFUSED else SENT if len(tried) == 2 else IN_DOUBT]


def test_two_unknown_outcomes_that_are_never_resolved_fail_the_message_once(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta", UNKNOWN)
    stage.send()

    stage.go_on(601, 700, 73 * 3600, 74 * 3600)

    assert stage.stands() == [("failed", "released", "unresolved")]
    assert stage.world.balance() == 1_000_000


def test_a_message_accepted_by_the_second_carrier_does_not_fail_as_unresolved(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta")
    stage.send()

    stage.go_on(601, 73 * 3600, 100 * 3600)

    assert stage.stands() == [SENT]


def test_a_resend_never_goes_to_a_carrier_with_an_unknown_outcome(stage: Stage) -> None:
    stage.set(resends=5)
    lines = [stage.carrier(name, *[UNKNOWN] * 5) for name in ("alpha", "beta", "gamma")]
    [message] = stage.send()

    stage.go_on(*range(601, 20_000, 601))

    assert [line.given for line in lines] == [[message]] * 3


@pytest.mark.parametrize(("resends", "tried"), [(0, 1), (1, 2), (2, 3), (5, 4)])
def test_a_message_is_resent_at_most_the_configured_number_of_times(stage: Stage, resends: int, tried: int) -> None:
    stage.set(resends=resends)
    for name in ("alpha", "beta", "gamma", "delta"):
        stage.carrier(name, *[UNKNOWN] * 5)
    stage.send()

    stage.go_on(*range(601, 20_000, 601))

    assert len(stage.tried()) == tried


def test_with_resends_disabled_a_deduplicating_carrier_is_not_retried(stage: Stage) -> None:
    stage.set(resends=0)
    alpha = stage.carrier("alpha", UNKNOWN, doubt="dedupes", window=300)
    stage.send()

    stage.go_on(*MOMENTS)

    assert len(alpha.given) == 1


@pytest.mark.parametrize(
    ("limit", "carrier"), [(None, "beta"), (5000, "beta"), (4999, "gamma"), (2000, "gamma"), (1999, None)]
)
def test_a_carrier_above_the_cost_limit_for_resends_is_skipped(
    stage: Stage, limit: int | None, carrier: str | None
) -> None:
    stage.set(resend_cost=limit)
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta", cost=2500)
    stage.carrier("gamma", cost=1000)
    stage.send(body="x" * 161)

    stage.go_on(601)

    assert [name for name, _ in stage.tried()[1:]] == ([carrier] if carrier else [])


def test_the_cost_limit_for_resends_also_applies_to_failover(stage: Stage) -> None:
    stage.set(resend_cost=1000)
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta", BUSY, cost=1000)
    dear = stage.carrier("gamma", cost=1001)
    stage.send()

    stage.go_on(601, 620)

    assert dear.given == []


@pytest.mark.parametrize("ability", ["blind", "dedupes"])
def test_messages_of_a_suspended_account_are_not_resent_until_it_is_resumed(stage: Stage, ability: str) -> None:
    stage.carrier("alpha", UNKNOWN, doubt=ability, window=10_000)
    stage.carrier("beta")
    stage.send()
    stage.world.run("UPDATE accounts SET state = 'suspended'")
    stage.go_on(3, 601, 700)
    assert len(stage.tried()) == 1

    stage.world.run("UPDATE accounts SET state = 'active'")
    stage.passes(1300)
    stage.turn()

    assert len(stage.tried()) == 2


@pytest.mark.parametrize(("ability", "window"), [("blind", 0), ("dedupes", 300), ("queryable", 0)])
def test_a_drained_carrier_is_not_retried(stage: Stage, ability: str, window: float) -> None:
    alpha = stage.carrier("alpha", UNKNOWN, doubt=ability, window=window)
    stage.carrier("beta")
    stage.send()
    set_carrier_state(stage.rt, "alpha", CarrierState.DRAINED)

    stage.go_on(*MOMENTS)

    assert len(alpha.given) == 1
    assert stage.history == ["604: beta accepted"]


def test_a_bulk_message_is_not_resent_elsewhere_if_its_carrier_is_drained_before_the_retry(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN, doubt="dedupes", window=300)
    stage.carrier("beta")
    stage.send(kind="bulk")
    stage.passes(3)
    hints = resend_due(stage.rt).hints
    set_carrier_state(stage.rt, "alpha", CarrierState.DRAINED)

    stage.carry(hints)
    stage.go_on(*MOMENTS)

    assert len(stage.tried()) == 1
    assert stage.stands() == [IN_DOUBT]


def test_a_message_is_resent_when_another_carrier_is_added(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.send()
    stage.go_on(601, 700)

    stage.carrier("beta")
    stage.go_on(1300)

    assert [carrier for carrier, _ in stage.tried()] == ["alpha", "beta"]


def test_a_message_that_is_being_resent_cannot_be_cancelled(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta")
    [message] = stage.send()
    stage.passes(601)
    hints = resend_due(stage.rt).hints

    reported = cancel(stage.rt, stage.world.account, [message])
    stage.carry(hints)

    assert reported.too_late == {message}
    assert stage.stands() == [SENT]


def test_a_message_is_not_resent_to_a_number_that_opted_out(stage: Stage) -> None:
    stage.carrier("alpha", UNKNOWN)
    beta = stage.carrier("beta")
    stage.send()
    stage.world.run(
        "INSERT INTO opt_outs (account_id, phone, sender, class, source)"
        " SELECT account_id, phone, '', '', 'STOP' FROM messages"
    )

    stage.go_on(601, 700, 2000)

    assert beta.given == []
    assert stage.stands() == [IN_DOUBT]
    assert stage.world.rows("SELECT count(*) FROM batches WHERE resend_reason IS NOT NULL") == [1]


# Crowds and crashes ----------------------------------------------------------------------------------------------


def test_concurrent_searches_for_resends_make_one_batch(stage: Stage, settings: Settings) -> None:
    people = [f"+23480123456{n:02}" for n in range(60)]
    stage.carrier("alpha", *[UNKNOWN] * 60)
    stage.carrier("beta")
    stage.send(*people)
    stage.passes(601)
    together = threading.Barrier(2)

    def look(rt: Runtime) -> list[Any]:
        together.wait()
        return resend_due(rt).hints

    with closing(Runtime(settings)) as one, closing(Runtime(settings)) as other, ThreadPoolExecutor(2) as pool:
        hints = [hint for found in pool.map(look, (one, other)) for hint in found]
    stage.carry(hints)

    assert [hint.size for hint in hints] == [60]
    assert len(stage.lines["beta"].given) == 60


def dies(stage: Stage, upto: int) -> None:
    """A worker claims what is to be sent once more, marks so many messages and goes silent."""
    [hint] = resend_due(stage.rt).hints
    ids = stage.world.rows("SELECT id FROM messages ORDER BY id")
    with stage.rt.begin() as conn:
        [claim] = batch_claims.claim(conn, [hint.batch], 60)
        batch_claims.advance(conn, [batch_claims.PortionMark(hint.batch, claim.fence, None, ids[upto - 1])], 60)
    stage.world.run("UPDATE batches SET lease_until = now() - interval '1 second' WHERE status = 'sending'")


def test_a_worker_that_dies_during_a_resend_leaves_one_more_unknown_outcome(stage: Stage) -> None:
    stage.carrier("alpha", *[UNKNOWN] * 10)
    stage.carrier("beta")
    stage.carrier("gamma")
    stage.send(*[f"+23480123456{n:02}" for n in range(10)])
    stage.passes(601)
    dies(stage, 4)

    first = sweep(stage.rt).queued
    assert sweep(stage.rt).queued == []
    stage.carry(first)
    stage.go_on(10, 700, 2000)

    assert stage.world.rows(
        "SELECT carrier, outcome, coalesce(code, ''), count(*) FROM provider_attempts GROUP BY 1, 2, 3 ORDER BY 1, 2"
    ) == [
        ("alpha", "unknown", "x", 10),
        ("beta", "accepted", "", 6),
        ("beta", "unknown", "worker_lost", 4),
    ]
    assert stage.world.rows("SELECT money, count(*) FROM messages GROUP BY 1 ORDER BY 1") == [
        ("captured", 6),
        ("held", 4),
    ]


def test_a_resend_batch_that_kills_its_workers_is_ended(stage: Stage) -> None:
    stage.carrier("alpha", *[UNKNOWN] * 4)
    stage.carrier("beta")
    stage.send(*[f"+23480123456{n:02}" for n in range(4)])
    stage.passes(601)
    dies(stage, 2)
    stage.world.run("UPDATE batches SET claims = 3 WHERE status = 'sending'")

    assert sweep(stage.rt).queued == []

    assert stage.world.rows("SELECT DISTINCT status FROM batches") == ["done"]
    assert stage.stands() == [IN_DOUBT] * 4


# Late words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [1, 700], ids=["before another had it", "after another had it"])
@pytest.mark.parametrize(
    ("says", "before", "after"),
    [
        (ACCEPTED, SENT, SENT),
        (REFUSED, ("failed", "released", "carrier_refused"), SENT),
        (NOT_WRITTEN, SENT, SENT),
    ],
)
def test_a_late_answer_of_a_carrier_resolves_its_unknown_outcome(
    stage: Stage, says: Outcome, before: Standing, after: Standing, moment: float
) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta")
    [message] = stage.send()
    stage.go_on(moment)

    noted = store_answers(stage.rt, "alpha", [Attempt(message, says, "alpha-late" if says is ACCEPTED else None)])
    stage.go_on(1, 1300, 80_000)

    assert noted == {message}
    assert stage.stands() == [before if moment == 1 else after]
    assert stage.world.rows("SELECT count(*) FROM ledger WHERE kind = 'capture'") == [
        int("failed" not in before or moment > 1)
    ]


def test_a_late_answer_without_an_unknown_outcome_is_ignored(stage: Stage) -> None:
    stage.carrier("alpha")
    [message] = stage.send()

    assert (
        store_answers(stage.rt, "alpha", [Attempt(message, NOT_WRITTEN), Attempt(stage.rt.new_ids(), ACCEPTED, "x")])
        == set()
    )
    assert stage.stands() == [SENT]


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        pytest.param(ACCEPTED, REFUSED, SENT, id="the first has it"),
        pytest.param(None, REFUSED, IN_DOUBT, id="the first may have it"),
        pytest.param(REFUSED, REFUSED, ("failed", "released", "carrier_refused"), id="nobody has it"),
        pytest.param(None, ACCEPTED, SENT, id="the second has it"),
        pytest.param(ACCEPTED, None, SENT, id="the first has it, the second may"),
    ],
)
def test_each_of_two_unknown_outcomes_is_resolved_by_its_own_late_answer(
    stage: Stage, first: Outcome | None, second: Outcome | None, state: Standing
) -> None:
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta", UNKNOWN)
    [message] = stage.send()
    stage.go_on(601)

    for name, says in (("alpha", first), ("beta", second)):
        if says:
            store_answers(stage.rt, name, [Attempt(message, says, f"{name}-late" if says is ACCEPTED else None)])
    stage.go_on(1, 700)

    assert stage.stands() == [state]
    stage.passes(80 * 3600)
    sweep(stage.rt)
    assert stage.stands() == [("failed", "released", "unresolved") if state == IN_DOUBT else state]


@pytest.mark.parametrize("word", [UNKNOWN, BUSY, NOT_WRITTEN, REFUSED])
def test_a_late_acceptance_overrides_what_a_worker_without_its_lease_records_later(stage: Stage, word: Outcome) -> None:
    line = stage.carrier("alpha", word)
    stage.carrier("beta")

    def lose_it() -> None:
        stage.world.run("UPDATE batches SET lease_until = now() - interval '1 second' WHERE status = 'sending'")
        sweep(stage.rt)
        store_answers(stage.rt, "alpha", [Attempt(line.given[0], ACCEPTED, "alpha-late")])
        stage.turn()
        assert stage.stands() == [SENT]

    line.meanwhile = lose_it
    stage.send()
    stage.go_on(*MOMENTS)

    assert (stage.stands(), stage.history) == ([SENT], [])
