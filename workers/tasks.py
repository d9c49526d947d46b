"""The wiring diagram: which stage hands its batch to which. Nothing else is here.

    ingest → segment → bill → deliver ⟲ (failover)          promote → deliver      sweep → segment, deliver

For a code somebody waits for, all of it is one task, as long as no other waits behind it.

A task after ingest carries ids and small numbers only. A hint that gets lost is given again by sweep; one that comes
twice finds nothing to do.
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
from pipeline.stages.deliver import deliver, recover
from pipeline.stages.heartbeat import tick
from pipeline.stages.inbound import replied, reply
from pipeline.stages.ingest import ingest
from pipeline.stages.maintenance import maintain
from pipeline.stages.placement import Placements
from pipeline.stages.poison_orders import POISON, count_redelivery
from pipeline.stages.promote import PORTION as PROMOTED_AT_ONCE
from pipeline.stages.promote import promote
from pipeline.stages.receipt_latency import measure_receipt_latency
from pipeline.stages.resend import ask, resend_due
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
from workers.queues import BILL, DELIVER, OTP, OWN, SEGMENT, deliveries, lane

log = logging.getLogger(__name__)

#: seconds before an order that the database could not take is taken up again
_PAUSE = 1.0
_placements = Placements()
_unsealer = Unsealer()

#: portions one tick works through before it leaves the rest to the next
_ROUNDS = 20


@app.task(name="sms.ingest", bind=True)
def ingest_order(self: Any, order: dict[str, Any]) -> None:
    """Write an order's messages; the task's id is the request's, so a second delivery of the task changes nothing."""
    again = bool(self.request.delivery_info.get("redelivered"))
    try:
        message_class, answers = _ingest(self.request.id, order, again=again)
    except (ConfigurationError, DatabaseFault) as fault:
        if isinstance(fault, DatabaseFault) and fault.is_final:
            raise
        log.warning("order %s waits: %s", request_id(self.request.id), fault)
        time.sleep(_PAUSE)  # no row stands for it yet: the broker must keep it until one does
        raise Reject(str(fault), requeue=True) from None
    batches = [batch for answer in answers for batch in answer.batches]
    if message_class is MessageClass.OTP:
        _hurry(batches)
    else:
        for batch in batches:
            forward(segment_batch, SEGMENT, str(batch), str(message_class))


def _hurry(batches: Sequence[UUID]) -> None:
    """Bill and deliver right here: somebody waits, and the way through the broker takes as long as all the rest.

    But where others wait in the lane they come first, and a carrier is spoken to later: once for all of them.
    """
    hints = [hint for batch in batches for hint in bill(runtime(), batch, capacities=capacities())]
    if len(hints) == 1 and _placement(hints[0].carrier) is not Placement.BOUND and _is_empty(OTP):
        hints = deliver(runtime(), [hints[0].batch])
    hint_deliveries(hints)


def _ingest(task_id: str, order: Any, *, again: bool) -> tuple[MessageClass, list[Accepted]]:
    """Write an order; one that nobody survives reading, or that our own code trips over, is refused and kept so."""
    rt, request = runtime(), request_id(task_id)
    try:
        if not (again and count_redelivery(rt, request)):
            asked = _unsealer.read(rt, task_id, order)
            message_class = asked.message_class if isinstance(asked, Order) else MessageClass.TRANSACTIONAL
            return message_class, ingest(rt, admit(rt, [(request, asked)]))
    except Exception as error:  # whatever it is, the order must not be gone with a line in a log
        if isinstance(error, ConfigurationError) or (isinstance(error, DatabaseFault) and not error.is_final):
            raise
        log.error("order %s cannot be read: %s", request, type(error).__name__)
    return MessageClass.TRANSACTIONAL, ingest(rt, admit(rt, [(request, [POISON])]))


@app.task(name="sms.segment")
def segment_batch(batch: str, message_class: str) -> None:
    """Measure a batch's bodies and hand the measures on."""
    measures = segment(runtime(), UUID(batch))
    if measures:
        forward(bill_batch, lane(BILL, MessageClass(message_class)), batch, _numbers(measures))


@app.task(name="sms.bill", bind=True)
def bill_batch(self: Any, batch: str, measures: list[int]) -> None:
    """Price a batch, hold its money, send it on its way."""
    again = bool(self.request.delivery_info.get("redelivered"))
    hint_deliveries(bill(runtime(), UUID(batch), _measures(measures), capacities=capacities(), suspect=again))


@app.task(name="sms.deliver")
def deliver_batches(batches: list[str]) -> None:
    """Carry batches to their carrier; what it did not take goes to the next."""
    hint_deliveries(deliver(runtime(), [UUID(batch) for batch in batches]))


@app.task(name="sms.promote")
def promote_due() -> None:
    """Queue what is due."""
    tick(runtime())
    for _ in range(_ROUNDS):
        hints = promote(runtime())
        hint_deliveries(hints)
        if len(hints) < PROMOTED_AT_ONCE:
            break


@app.task(name="sms.settle")
def settle_receipts() -> None:
    """Apply the receipts that came in."""
    for _ in range(_ROUNDS):
        if settle(runtime()) < SETTLED_AT_ONCE:
            break


@app.task(name="sms.resend")
def resend_lost() -> None:
    """Send once more what carriers lost, or may have lost."""
    found = resend_due(runtime())
    hint_deliveries(found.hints)
    for carrier, messages in found.asks.items():
        placement = _placement(carrier)
        queue = DELIVER if placement is Placement.SHARED else f"{OWN}{carrier}"
        forward(ask_carrier, queue, carrier, [str(message) for message in messages])


@app.task(name="sms.query")
def ask_carrier(carrier: str, messages: list[str]) -> None:
    """Ask a carrier what became of messages it may have."""
    ask(runtime(), carrier, [UUID(message) for message in messages])


@app.task(name="sms.receipt_latency")
def measure_latencies() -> None:
    """Learn how long carriers take to report."""
    measure_receipt_latency(runtime())


@app.task(name="sms.inbound")
def handle_inbound() -> None:
    """Do what handsets ask, and answer them."""
    replies = reply(runtime())
    for accepted in ingest(runtime(), admit(runtime(), replies)) if replies else ():
        for batch in accepted.batches:
            forward(segment_batch, SEGMENT, str(batch), str(MessageClass.TRANSACTIONAL))
    replied(runtime(), [request for request, _ in replies])


@app.task(name="sms.sweep")
def sweep_stranded() -> None:
    """Mend what a death or a lost hint left behind: what a journal of this host tells of comes first."""
    recover_killed()
    swept = sweep(runtime())
    for hint in swept.admitted:
        forward(segment_batch, lane(SEGMENT, hint.message_class), str(hint.batch), str(hint.message_class))
    hint_deliveries(swept.queued)


def recover_killed() -> None:
    """Settle what killed processes of this host left behind, and let it go on."""
    hint_deliveries(recover(runtime()))


@app.task(name="sms.maintenance")
def run_maintenance() -> None:
    """Do the house-keeping."""
    maintain(runtime())


def hint_deliveries(hints: Iterable[Hint]) -> None:
    """Tell deliver workers of queued batches."""
    for queue, batches in deliveries(hints, _placement):
        forward(deliver_batches, queue, batches)


def _placement(carrier: str) -> Placement:
    return _placements.of(runtime(), carrier)


def forward(task: Any, queue: str, *args: Any) -> None:
    """Enqueue a task. The broker being away is no fault: the rows wait, and sweep will hint them again."""
    try:
        # a carrier's own queue is known to its own process only: it is named here as it is declared there
        task.apply_async(args, queue=Queue(queue, routing_key=queue))
    except OperationalError:
        log.warning("the broker is away; %s will be hinted again", task.name)


def _is_empty(queue: str) -> bool:
    """Tell whether no task waits in a queue; False when the broker does not say."""
    try:
        with app.producer_or_acquire() as producer:
            return bool(producer.channel.queue_declare(queue, durable=True, auto_delete=False).message_count == 0)
    except Exception:  # noqa: BLE001 - each kind of broker has errors of its own, and a hint is never wrong
        return False


def _numbers(measures: Sequence[Measure]) -> list[int]:
    """Return measures as small numbers: segments, negative for UCS-2."""
    return [each.segments if each.encoding is Encoding.GSM7 else -each.segments for each in measures]


def _measures(numbers: Sequence[int]) -> list[Measure]:
    return [Measure(Encoding.GSM7 if each > 0 else Encoding.UCS2, abs(each)) for each in numbers]
