"""Status transitions, as one table. That the database agrees is in tests/store/test_lifecycle_guard.py."""

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

import pytest

from pipeline.rules.campaign_lifecycle import CAMPAIGN_MOVES, ENDED
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
from schema.vocabulary import BatchStatus, CampaignState, Code, Money, Outcome, ReceiptVerdict, Status

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


def test_every_message_status_can_be_reached_except_those_shown_from_its_batch() -> None:
    assert set(MESSAGE_MOVES) == {None, *Status} - BORROWED
    assert reached(MESSAGE_MOVES, None) == set(MESSAGE_MOVES)


def test_every_batch_status_can_be_reached_from_its_initial_statuses() -> None:
    assert set(BATCH_MOVES) == set(BatchStatus)
    assert reached(BATCH_MOVES, BatchStatus.ADMITTED, BatchStatus.WAITING) == set(BatchStatus)


def test_every_campaign_state_can_be_reached_and_each_that_has_not_ended_can_be_aborted() -> None:
    assert set(CAMPAIGN_MOVES) == set(CampaignState)
    assert reached(CAMPAIGN_MOVES, CampaignState.DRAFT) == set(CampaignState)
    assert {state for state in CampaignState if CampaignState.ABORTED in CAMPAIGN_MOVES[state]} == {
        *CampaignState
    } - ENDED


@pytest.mark.parametrize("status", BatchStatus)
def test_done_can_be_reached_from_every_batch_status(status: BatchStatus) -> None:
    assert BatchStatus.DONE in reached(BATCH_MOVES, status)


def test_no_status_follows_a_final_one_except_delivered_after_failed() -> None:
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


def test_every_transition_applies_to_at_least_one_reachable_state() -> None:
    assert all(any(list(move.of(state)) for state in STATES) for move in MOVES)


def test_no_money_is_held_for_a_message_in_a_final_status() -> None:
    assert not [state for state in STATES if state.status in FINAL and state.money is Money.HELD]
    assert {state.status for state in STATES} - FINAL == {None, Status.SENT}


def test_money_is_captured_only_for_messages_that_a_carrier_may_have() -> None:
    assert not [state for state in STATES if state.money is Money.CAPTURED and state.carrier is None]
    assert not [state for state in STATES if state.money is Money.RELEASED and state.carrier is Outcome.ACCEPTED]


def test_a_sent_message_is_neither_rejected_nor_cancelled() -> None:
    assert not MESSAGE_MOVES[Status.SENT] & {Status.REJECTED, Status.CANCELLED}


def test_a_message_is_delivered_only_after_it_was_sent() -> None:
    before = {status for status, following in MESSAGE_MOVES.items() if Status.DELIVERED in following}

    assert before == {Status.SENT, Status.FAILED}


def test_a_batch_is_sent_only_from_the_queue() -> None:
    before = {status for status, following in BATCH_MOVES.items() if BatchStatus.SENDING in following}

    assert before == {BatchStatus.QUEUED}


def test_no_transition_leads_to_the_same_status() -> None:
    assert not [status for status, following in MESSAGE_MOVES.items() if status in following]
    assert not [status for status, following in BATCH_MOVES.items() if status in following]


def test_every_code_of_the_checks_at_claim_can_reject_a_message_and_fail_one() -> None:
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


def test_billing_cannot_reject_a_message_for_a_reason_other_than_its_payment() -> None:
    with pytest.raises(KeyError):
        billed(Code.OPTED_OUT, is_charged=False)
