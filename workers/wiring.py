"""Wiring: which stage passes what to which, for messages and receipts from Celery, HTTP and SMPP, and by the clock.

    order by Celery      unseal → admit → ingest, segment, bill, deliver: a task each (a one-time password: one task)
    send by HTTP         limits → admit → accept (or ingest → bill) → response, deliver
    receipt, MO message  settle, inbound, suspected receipts, dead letters
    by the clock         promote, resend, sweep → deliver      inbound → admit → ingest, segment

A function here takes the runtime, calls stages in their order and returns what is to be published: task calls, or
hints where the publisher gathers them. The tasks (`workers.tasks`), the APIs, the receipt endpoint and the carriers'
processes call it, and publish. A task call that is lost is published again by sweep; a duplicate finds nothing to do.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from pipeline.dialects.contract import SendRequest
from pipeline.dialects.registry import capacities
from pipeline.errors import ConfigurationError, DatabaseFault, InsufficientFunds
from pipeline.runtime import Runtime
from pipeline.stages import dead_letters, inbound, receive
from pipeline.stages.accept import AcceptResult, accept
from pipeline.stages.admit import admit
from pipeline.stages.api.response import answer, earlier_responses
from pipeline.stages.api.take_rate_limits import Refused, rate_limit
from pipeline.stages.api.verification import open_challenges
from pipeline.stages.bill import bill, bill_all
from pipeline.stages.campaigns.end_batches import end_aborted
from pipeline.stages.cancel import cancel_portion
from pipeline.stages.carrier_placement import placement
from pipeline.stages.deliver import deliver, recover
from pipeline.stages.fold_counts import PORTION as FOLDED_AT_ONCE
from pipeline.stages.fold_counts import fold_counts
from pipeline.stages.heartbeat import tick
from pipeline.stages.index_messages import index_history, index_messages
from pipeline.stages.ingest import ingest
from pipeline.stages.poison_orders import POISON, count_redelivery
from pipeline.stages.promote import PORTION as PROMOTED_AT_ONCE
from pipeline.stages.promote import promote
from pipeline.stages.resend import resend_due, resend_portion
from pipeline.stages.segment import segment
from pipeline.stages.settle import PORTION as SETTLED_AT_ONCE
from pipeline.stages.settle import settle, settle_on_arrival
from pipeline.stages.suspected_receipts import keep_suspects
from pipeline.stages.sweep import sweep
from pipeline.stages.unseal import Unsealer
from schema.carriage import CarrierEvents, Receipt
from schema.message import Accepted, Answered, Hint, Measure
from schema.message_class import MessageClass
from schema.order import Order
from schema.vocabulary import Placement
from workers.task_calls import TaskCall, bill_call, deliver_calls, query_calls, segment_calls

log = logging.getLogger(__name__)

#: portions that one tick processes before it leaves the rest to the next
_ROUNDS = 20
_unsealer = Unsealer()

# Orders by Celery ----------------------------------------------------------------------------------------------


def ingest_order(
    rt: Runtime, task_id: str, request: UUID, order: Any, *, again: bool
) -> tuple[MessageClass, list[UUID]]:
    """Write an order's messages under its request id; return its class and batches. `again`: it was redelivered.

    An order that kills workers, or that our own code fails on, is written as refused.
    """
    message_class, answers = _ingest(rt, task_id, request, order, again=again)
    return message_class, [batch for answer in answers for batch in answer.batches]


def _ingest(
    rt: Runtime, task_id: str, request: UUID, order: Any, *, again: bool
) -> tuple[MessageClass, list[Accepted]]:
    try:
        if not (again and count_redelivery(rt, request)):
            asked = _unsealer.read(rt, task_id, order)
            message_class = asked.message_class if isinstance(asked, Order) else MessageClass.TRANSACTIONAL
            return message_class, ingest(rt, admit(rt, [(request, asked)]))
    except Exception as error:  # whatever it is, the order must not be lost
        if isinstance(error, ConfigurationError) or (isinstance(error, DatabaseFault) and not error.is_final):
            raise
        log.error("order %(request)s cannot be read: %(fault)s", {"request": request, "fault": type(error).__name__})
    return MessageClass.TRANSACTIONAL, ingest(rt, admit(rt, [(request, [POISON])]))


def after_ingest(
    rt: Runtime, message_class: MessageClass, batches: Sequence[UUID], *, is_idle: Callable[[], bool]
) -> list[TaskCall]:
    """Return the calls that measure the batches of an order; one-time passwords are billed and delivered here.

    The way through the broker takes as long as all the rest. Unless `is_idle`, other codes wait in the queue: these
    come first, and delivery is a task, so that one call takes several codes.
    """
    if message_class is not MessageClass.OTP:
        return segment_calls(batches, message_class)
    hints = bill_all(rt, batches, capacities())
    if len(hints) == 1 and placement(rt, hints[0].carrier) is not Placement.BOUND and is_idle():
        hints = deliver(rt, [hints[0].batch])
    return deliver_calls(rt, hints)


def segment_batch(rt: Runtime, batch: UUID, message_class: MessageClass) -> list[TaskCall]:
    """Measure a batch's texts; return the call that bills it by the measures."""
    measures = segment(rt, batch)
    return [bill_call(batch, message_class, measures)] if measures else []


def bill_batch(rt: Runtime, batch: UUID, measures: Sequence[Measure], *, again: bool) -> list[TaskCall]:
    """Price a batch and hold its money; return the calls that deliver it. `again`: the broker redelivered it."""
    return deliver_calls(rt, bill(rt, batch, measures, capacities=capacities(), was_tried=again))


def deliver_batches(rt: Runtime, batches: Sequence[UUID]) -> list[TaskCall]:
    """Deliver batches to their carrier; return the calls that deliver what it did not take to the next."""
    return deliver_calls(rt, deliver(rt, batches))


# Sends by HTTP -------------------------------------------------------------------------------------------------

#: what precludes the processing of a send: the stored result of its idempotency key, or the limit that refuses it
Verdict = Accepted | Refused | None


def take_limits(rt: Runtime, sendings: Sequence[SendRequest]) -> list[Verdict]:
    """Take the rate limits of sends; return for each its stored result or the refusal, or None if it may go on.

    A send whose idempotency key was used takes no limit. If this raises, nothing was taken.
    """
    recalled = iter(earlier_responses(rt, [sending.order for sending in sendings if not sending.is_new]))
    known = [None if sending.is_new else next(recalled) for sending in sendings]
    limits = rate_limit(rt, [() if found else sending.takes for sending, found in zip(sendings, known, strict=True)])
    return [found or limit for found, limit in zip(known, limits, strict=True)]


def accept_sends(
    rt: Runtime, sendings: Sequence[SendRequest], verdicts: Sequence[Verdict]
) -> tuple[list[Answered | Refused], list[Hint]]:
    """Write, measure and bill the sends that may go on; return each result in order, and hints of queued batches."""
    new = [sending for sending, verdict in zip(sendings, verdicts, strict=True) if verdict is None]
    taken = _take_in(rt, new)
    written = iter(taken.answers)
    received = [verdict or next(written) for verdict in verdicts]
    answered, hints = _read_back(rt, [each for each in received if isinstance(each, Accepted)])
    read = iter(answered)
    return [next(read) if isinstance(each, Accepted) else each for each in received], [*taken.hints, *hints]


def _take_in(rt: Runtime, sendings: Sequence[SendRequest]) -> AcceptResult:
    """Accept sends in one transaction; if money is short, ingest and bill them in separate ones."""
    admissions = admit(rt, [(each.request, each.order) for each in sendings], by_api=True)
    opened = [each.challenge for each in sendings if each.challenge]
    try:
        return accept(rt, admissions, opened, capacities=capacities())
    except InsufficientFunds:
        open_challenges(rt, opened)
        accepted = ingest(rt, admissions)
        return AcceptResult(
            list(accepted), bill_all(rt, [batch for each in accepted for batch in each.batches], capacities())
        )


def _read_back(rt: Runtime, accepted: Sequence[Accepted]) -> tuple[list[Answered], list[Hint]]:
    """Return the responses to sends, and hints of the batches of repeated ones that had to be billed now."""
    if not accepted:
        return [], []
    back, hints = answer(rt, accepted), []
    if back.unpaid:  # the process that wrote them died, or is billing them now
        hints = bill_all(rt, back.unpaid, capacities())
        back = answer(rt, accepted)
    return back.answered, hints


# What carriers send by themselves ------------------------------------------------------------------------------


def take_events(rt: Runtime, events: CarrierEvents) -> None:
    """Store what carriers sent by themselves, over SMPP or HTTP; DatabaseFault when it is not all stored."""
    for start in range(0, len(events.receipts), SETTLED_AT_ONCE):
        _take_receipts(rt, events.receipts[start : start + SETTLED_AT_ONCE])
    if events.inbound:
        inbound.keep(rt, events.inbound)
    keep_suspects(rt, events.suspects)
    dead_letters.keep(rt, events.dead)  # last: on a retransmission the others are stored once, these twice


def _take_receipts(rt: Runtime, receipts: Sequence[Receipt]) -> None:
    """Store and apply receipts; while they cannot be applied (a lock, a deadlock) store them, for `settle`."""
    try:
        settle_on_arrival(rt, receipts)
    except DatabaseFault as fault:
        if fault.is_final or fault.sqlstate is None:  # storing or applying them would fail again, at each try
            raise
        log.warning("%d receipts wait to be applied: %s", len(receipts), fault)
        receive.keep(rt, receipts)


# By the clock, and after a crash -------------------------------------------------------------------------------


def promote_due(rt: Runtime) -> Iterator[TaskCall]:
    """Queue batches that are due; yield the calls that deliver them, those of each transaction after its commit."""
    tick(rt)
    for _ in range(_ROUNDS):
        hints = promote(rt)
        yield from deliver_calls(rt, hints)
        if len(hints) < PROMOTED_AT_ONCE:
            break


def settle_receipts(rt: Runtime) -> None:
    """Apply receipts that could not be applied on arrival."""
    for _ in range(_ROUNDS):
        if settle(rt) < SETTLED_AT_ONCE:
            break


def fold_changes(rt: Runtime) -> None:
    """Fold the counted status changes into their sums."""
    for _ in range(_ROUNDS):
        if fold_counts(rt) < FOLDED_AT_ONCE:
            break


def index_new(rt: Runtime) -> None:
    """Index new messages by number and correlation id, then those of before there was a search key."""
    for _ in range(_ROUNDS):
        if not index_messages(rt):
            break
    index_history(rt)


def resend_lost(rt: Runtime) -> list[TaskCall]:
    """Resend messages that carriers lost, or may have lost; return the calls that deliver, and query carriers."""
    found = resend_due(rt)
    return [*deliver_calls(rt, found.hints), *query_calls(rt, found.asks)]


def advance_message_jobs(rt: Runtime) -> Iterator[TaskCall]:
    """Work off message jobs; yield the calls that deliver what each portion resent, after its commit."""
    for _ in range(_ROUNDS):
        if not cancel_portion(rt):
            break
    for _ in range(_ROUNDS):
        resent = resend_portion(rt)
        yield from deliver_calls(rt, resent.hints)
        if not resent.count:
            break


def handle_inbound(rt: Runtime) -> list[TaskCall]:
    """Process MO messages: apply keywords and write the replies; return the calls that measure these."""
    replies = inbound.reply(rt)
    answers = ingest(rt, admit(rt, replies)) if replies else []
    inbound.replied(rt, [request for request, _ in replies])
    return segment_calls([batch for each in answers for batch in each.batches], MessageClass.TRANSACTIONAL)


def sweep_stranded(rt: Runtime) -> Iterator[TaskCall]:
    """Recover batches after a crash or a lost task; yield the calls of the tasks that they wait for.

    Then end the batches of aborted campaigns.
    """
    swept = sweep(rt)
    for hint in swept.admitted:
        yield from segment_calls([hint.batch], hint.message_class)
    yield from deliver_calls(rt, swept.queued)
    end_aborted(rt)


def recover_killed(rt: Runtime) -> list[TaskCall]:
    """Recover batches of killed processes of this host from their journals; return the calls that deliver the rest."""
    return deliver_calls(rt, recover(rt))
