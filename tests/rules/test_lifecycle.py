"""Status transitions, as one table. That the database agrees is in tests/store/test_lifecycle_guard.py."""

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

import pytest

from pipeline.rules.consent import send_permission
from pipeline.rules.lifecycle import (
    BATCH_MOVES,
    FAIL,
    FINAL,
    MESSAGE_MOVES,
    MOVES,
    REJECT,
    STATES,
    billed,
    outweighs,
    verdict_of_parts,
)
from schema.vocabulary import BatchStatus, Code, Money, Outcome, ReceiptVerdict, Status

#: what the public is told while the batch is on its way: no message has it of its own
BORROWED = {Status.SCHEDULED, Status.QUEUED}

State = TypeVar("State", bound=Hashable)


def reached(moves: Mapping[State, Collection[State]], *starts: State) -> set[State]:
    """Return everything that can be reached from there, the starts included."""
    known, fresh = set(starts), list(starts)
    while fresh:
        following = set(moves[fresh.pop()]) - known
        known |= following
        fresh += following
    return known


def test_every_status_of_a_message_can_be_reached_but_those_it_borrows_from_its_batch() -> None:
    assert set(MESSAGE_MOVES) == {None, *Status} - BORROWED
    assert reached(MESSAGE_MOVES, None) == set(MESSAGE_MOVES)


def test_every_status_of_a_batch_can_be_reached_from_those_it_is_written_with() -> None:
    assert set(BATCH_MOVES) == set(BatchStatus)
    assert reached(BATCH_MOVES, BatchStatus.ADMITTED, BatchStatus.WAITING) == set(BatchStatus)


@pytest.mark.parametrize("status", BatchStatus)
def test_from_everywhere_a_batch_can_get_done(status: BatchStatus) -> None:
    assert BatchStatus.DONE in reached(BATCH_MOVES, status)


def test_nothing_follows_a_final_status_but_that_what_failed_was_delivered_after_all() -> None:
    assert {Status.DELIVERED, Status.FAILED, Status.REJECTED, Status.CANCELLED} == FINAL
    assert [(status, *MESSAGE_MOVES[status]) for status in FINAL if MESSAGE_MOVES[status]] == [
        (Status.FAILED, Status.DELIVERED)
    ]


def test_verdicts_have_a_total_order_with_delivered_above_all() -> None:
    above = {verdict: {other for other in ReceiptVerdict if outweighs(verdict, other)} for verdict in ReceiptVerdict}

    assert above == {
        ReceiptVerdict.PENDING: set(),
        ReceiptVerdict.FAILED: {ReceiptVerdict.PENDING},
        ReceiptVerdict.DELIVERED: {ReceiptVerdict.PENDING, ReceiptVerdict.FAILED},
    }
    assert all(outweighs(verdict, None) for verdict in ReceiptVerdict)


def test_every_move_leads_somewhere_from_a_state_that_is_reached() -> None:
    assert all(any(list(move.of(state)) for state in STATES) for move in MOVES)


def test_a_message_has_ended_exactly_when_no_money_is_held_for_it_and_no_carrier_may_be_given_it() -> None:
    assert not [state for state in STATES if state.status in FINAL and state.money is Money.HELD]
    assert {state.status for state in STATES} - FINAL == {None, Status.SENT}


def test_money_is_earned_only_of_what_a_carrier_had() -> None:
    assert not [state for state in STATES if state.money is Money.CAPTURED and state.carrier is None]
    assert not [state for state in STATES if state.money is Money.RELEASED and state.carrier is Outcome.ACCEPTED]


def test_what_a_carrier_may_have_is_neither_rejected_nor_cancelled() -> None:
    assert not MESSAGE_MOVES[Status.SENT] & {Status.REJECTED, Status.CANCELLED}


def test_a_message_is_delivered_only_after_it_was_sent() -> None:
    before = {status for status, following in MESSAGE_MOVES.items() if Status.DELIVERED in following}

    assert before == {Status.SENT, Status.FAILED}


def test_a_batch_is_sent_only_from_the_queue() -> None:
    before = {status for status, following in BATCH_MOVES.items() if BatchStatus.SENDING in following}

    assert before == {BatchStatus.QUEUED}


def test_nothing_moves_to_where_it_is() -> None:
    assert not [status for status, following in MESSAGE_MOVES.items() if status in following]
    assert not [status for status, following in BATCH_MOVES.items() if status in following]


def test_every_code_of_the_checks_at_claim_may_reject_a_message_and_fail_one() -> None:
    codes = {*send_permission._WORDS, Code.SENDER_INVALID}

    assert codes == REJECT.codes
    assert codes <= FAIL.codes


DELIVERED, FAILED, PENDING = ReceiptVerdict.DELIVERED, ReceiptVerdict.FAILED, ReceiptVerdict.PENDING


@pytest.mark.parametrize(
    ("verdicts", "of", "whole"),
    [
        ([DELIVERED, DELIVERED], 2, DELIVERED),
        ([DELIVERED, None], 2, None),
        ([DELIVERED, PENDING], 2, None),
        ([DELIVERED, FAILED], 2, FAILED),
        ([None, FAILED], 2, FAILED),
        # a carrier gave the reference of the third part to another message since
        ([DELIVERED, DELIVERED], 3, None),
    ],
)
def test_a_message_in_parts_fails_with_any_of_them_and_is_delivered_when_all_are(
    verdicts: list[ReceiptVerdict | None], of: int, whole: ReceiptVerdict | None
) -> None:
    assert verdict_of_parts(verdicts, of) is whole


def test_a_billed_message_is_in_a_permitted_state() -> None:
    assert billed(None, is_charged=True) == (None, None, Money.HELD, None)
    assert billed(None, is_charged=False) == (None, None, None, None)
    assert billed(Code.NO_PRICE, is_charged=False) == (Status.REJECTED, Code.NO_PRICE, None, None)
    assert {billed(None, is_charged=True), billed(Code.INSUFFICIENT_FUNDS, is_charged=False)} <= STATES


def test_a_message_is_not_rejected_unpaid_for_another_reason() -> None:
    with pytest.raises(KeyError):
        billed(Code.OPTED_OUT, is_charged=False)
