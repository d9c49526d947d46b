"""The Celery tasks and their wiring: which stage passes its batch to which. Nothing else is here.

    ingest → segment → bill → deliver ⟲ (failover)          promote → deliver      sweep → segment, deliver

For a one-time password all of it is one task, unless other tasks wait in the queue.

A task after ingest carries ids and small numbers only. A hint that is lost is given again by sweep; a duplicate finds
nothing to do.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from celery.exceptions import Reject
from kombu import Queue
from kombu.exceptions import OperationalError

from pipeline.dialects.registry import capacities
from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.stages.admit import admit
from pipeline.stages.bill import bill
from pipeline.stages.carrier_placement import Placements
from pipeline.stages.deliver import deliver, recover
from pipeline.stages.heartbeat import tick
from pipeline.stages.hourly_maintenance import maintain
from pipeline.stages.inbound import replied, reply
from pipeline.stages.ingest import ingest
from pipeline.stages.poison_orders import POISON, count_redelivery
from pipeline.stages.promote import PORTION as PROMOTED_AT_ONCE
from pipeline.stages.promote import promote
from pipeline.stages.receipt_latency import measure_receipt_latency
from pipeline.stages.resend import query_carrier, resend_due
from pipeline.stages.segment import segment
from pipeline.stages.settle import PORTION as SETTLED_AT_ONCE
from pipeline.stages.settle import settle
from pipeline.stages.sweep import sweep
from pipeline.stages.unseal import Unsealer
from schema.message import Accepted, Hint, Measure
from schema.message_class import MessageClass
from schema.order import Order
from schema.vocabulary import Encoding, Placement
from workers.app import app, runtime
from workers.broker.task_message import request_id
from workers.queues import BILL, DELIVER, OTP, OWN, SEGMENT, deliveries, queue_for

log = logging.getLogger(__name__)

#: seconds before an order is requeued that the database could not take
_PAUSE = 1.0
_placements = Placements()
_unsealer = Unsealer()

#: portions that one tick processes before it leaves the rest to the next
_ROUNDS = 20


@app.task(name="sms.ingest", bind=True)
def ingest_order(self: Any, order: dict[str, Any]) -> None:
    """Write an order's messages; the task id is the request id, so a redelivered task changes nothing."""
    again = bool(self.request.delivery_info.get("redelivered"))
    try:
        message_class, answers = _ingest(self.request.id, order, again=again)
    except (ConfigurationError, DatabaseFault) as fault:
        if isinstance(fault, DatabaseFault) and fault.is_final:
            raise
        log.warning("order %s waits: %s", request_id(self.request.id), fault)
        time.sleep(_PAUSE)  # it has no row yet: the broker must keep it
        raise Reject(str(fault), requeue=True) from None
    batches = [batch for answer in answers for batch in answer.batches]
    if message_class is MessageClass.OTP:
        _deliver_now(batches)
    else:
        for batch in batches:
            forward(segment_batch, SEGMENT, str(batch), str(message_class))


def _deliver_now(batches: Sequence[UUID]) -> None:
    """Bill and deliver one-time passwords in this task: the way through the broker takes as long as all the rest.

    If other tasks wait in the queue they come first, and delivery is a task, so that one call takes several codes.
    """
    hints = [hint for batch in batches for hint in bill(runtime(), batch, capacities=capacities())]
    if len(hints) == 1 and _placement(hints[0].carrier) is not Placement.BOUND and _is_empty(OTP):
        hints = deliver(runtime(), [hints[0].batch])
    hint_deliveries(hints)


def _ingest(task_id: str, order: Any, *, again: bool) -> tuple[MessageClass, list[Accepted]]:
    """Write an order; one that kills workers, or that our own code fails on, is written as refused."""
    rt, request = runtime(), request_id(task_id)
    try:
        if not (again and count_redelivery(rt, request)):
            asked = _unsealer.read(rt, task_id, order)
            message_class = asked.message_class if isinstance(asked, Order) else MessageClass.TRANSACTIONAL
            return message_class, ingest(rt, admit(rt, [(request, asked)]))
    except Exception as error:  # whatever it is, the order must not be lost
        if isinstance(error, ConfigurationError) or (isinstance(error, DatabaseFault) and not error.is_final):
            raise
        log.error("order %s cannot be read: %s", request, type(error).__name__)
    return MessageClass.TRANSACTIONAL, ingest(rt, admit(rt, [(request, [POISON])]))


@app.task(name="sms.segment")
def segment_batch(batch: str, message_class: str) -> None:
    """Measure a batch's bodies and pass the measures to bill."""
    measures = segment(runtime(), UUID(batch))
    if measures:
        forward(bill_batch, queue_for(BILL, MessageClass(message_class)), batch, _numbers(measures))


@app.task(name="sms.bill", bind=True)
def bill_batch(self: Any, batch: str, measures: list[int]) -> None:
    """Price a batch, hold its money, hint its delivery."""
    again = bool(self.request.delivery_info.get("redelivered"))
    hint_deliveries(bill(runtime(), UUID(batch), _measures(measures), capacities=capacities(), suspect=again))


@app.task(name="sms.deliver")
def deliver_batches(batches: list[str]) -> None:
    """Deliver batches to their carrier; what it refused goes to the next carrier."""
    hint_deliveries(deliver(runtime(), [UUID(batch) for batch in batches]))


@app.task(name="sms.promote")
def promote_due() -> None:
    """Queue batches that are due."""
    tick(runtime())
    for _ in range(_ROUNDS):
        hints = promote(runtime())
        hint_deliveries(hints)
        if len(hints) < PROMOTED_AT_ONCE:
            break


@app.task(name="sms.settle")
def settle_receipts() -> None:
    """Apply received receipts."""
    for _ in range(_ROUNDS):
        if settle(runtime()) < SETTLED_AT_ONCE:
            break


@app.task(name="sms.resend")
def resend_lost() -> None:
    """Resend messages that carriers lost, or may have lost."""
    found = resend_due(runtime())
    hint_deliveries(found.hints)
    for carrier, messages in found.asks.items():
        placement = _placement(carrier)
        queue = DELIVER if placement is Placement.SHARED else f"{OWN}{carrier}"
        forward(ask_carrier, queue, carrier, [str(message) for message in messages])


@app.task(name="sms.query")
def ask_carrier(carrier: str, messages: list[str]) -> None:
    """Query a carrier for the status of messages with an unknown outcome."""
    query_carrier(runtime(), carrier, [UUID(message) for message in messages])


@app.task(name="sms.receipt_latency")
def measure_latencies() -> None:
    """Measure how long carriers take to send receipts."""
    measure_receipt_latency(runtime())


@app.task(name="sms.inbound")
def handle_inbound() -> None:
    """Process MO messages: apply keywords and send replies."""
    replies = reply(runtime())
    for accepted in ingest(runtime(), admit(runtime(), replies)) if replies else ():
        for batch in accepted.batches:
            forward(segment_batch, SEGMENT, str(batch), str(MessageClass.TRANSACTIONAL))
    replied(runtime(), [request for request, _ in replies])


@app.task(name="sms.sweep")
def sweep_stranded() -> None:
    """Recover batches after a crash or a lost hint; the journals of this host come first."""
    recover_killed()
    swept = sweep(runtime())
    for hint in swept.admitted:
        forward(segment_batch, queue_for(SEGMENT, hint.message_class), str(hint.batch), str(hint.message_class))
    hint_deliveries(swept.queued)


def recover_killed() -> None:
    """Recover batches of killed processes of this host from their journals, and hint them again."""
    hint_deliveries(recover(runtime()))


@app.task(name="sms.maintenance")
def run_maintenance() -> None:
    """Run the hourly maintenance."""
    maintain(runtime())


def hint_deliveries(hints: Iterable[Hint]) -> None:
    """Enqueue deliver tasks for queued batches."""
    for queue, batches in deliveries(hints, _placement):
        forward(deliver_batches, queue, batches)


def _placement(carrier: str) -> Placement:
    return _placements.of(runtime(), carrier)


def forward(task: Any, queue: str, *args: Any) -> None:
    """Enqueue a task. An unreachable broker is no error: the rows wait, and sweep hints them again."""
    try:
        # only the carrier's own process declares its queue: name it here as it is declared there
        task.apply_async(args, queue=Queue(queue, routing_key=queue))
    except OperationalError:
        log.warning("the broker is unreachable; %s will be hinted again", task.name)


def _is_empty(queue: str) -> bool:
    """Whether no task waits in a queue; False when the broker does not answer."""
    try:
        with app.producer_or_acquire() as producer:
            return bool(producer.channel.queue_declare(queue, durable=True, auto_delete=False).message_count == 0)
    except Exception:  # noqa: BLE001 - each broker has its own errors, and a hint is always safe
        return False


def _numbers(measures: Sequence[Measure]) -> list[int]:
    """Encode measures as numbers: segments, negative for UCS-2."""
    return [each.segments if each.encoding is Encoding.GSM7 else -each.segments for each in measures]


def _measures(numbers: Sequence[int]) -> list[Measure]:
    return [Measure(Encoding.GSM7 if each > 0 else Encoding.UCS2, abs(each)) for each in numbers]
