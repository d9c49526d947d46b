"""The wiring diagram: which stage hands its batch to which. Nothing else is here.

    ingest → segment → bill → deliver ⟲ (failover)          promote → deliver      sweep → segment, deliver

For a code somebody waits for, ingest, segment and bill are one task.

A task after ingest carries ids and small numbers only. A hint that gets lost is given again by sweep; one that comes
twice finds nothing to do.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from celery.exceptions import Reject
from kombu.exceptions import OperationalError

from pipeline.errors import DatabaseFault
from pipeline.stages.admit import admit
from pipeline.stages.bill import bill
from pipeline.stages.deliver import deliver
from pipeline.stages.ingest import ingest
from pipeline.stages.promote import PORTION as PROMOTED_AT_ONCE
from pipeline.stages.promote import promote
from pipeline.stages.segment import segment
from pipeline.stages.settle import PORTION as SETTLED_AT_ONCE
from pipeline.stages.settle import settle
from pipeline.stages.stumble import POISON, stumble
from pipeline.stages.sweep import sweep
from pipeline.stages.tend import tend
from schema.message import Accepted, Hint, Measure
from schema.order import Order, read
from schema.vocabulary import Encoding, MessageClass
from workers.app import app, runtime
from workers.queues import BATCHES_A_HINT, BILL, DELIVER, MESSAGES_A_HINT, SEGMENT, lane

log = logging.getLogger(__name__)

#: seconds before an order that the database could not take is taken up again
_PAUSE = 1.0
#: portions one tick works through before it leaves the rest to the next
_ROUNDS = 20


@app.task(name="sms.ingest", bind=True)
def ingest_order(self: Any, order: dict[str, Any]) -> None:
    """Write an order's messages; the task's id is the request's, so a second delivery of the task changes nothing."""
    again = bool(self.request.delivery_info.get("redelivered"))
    try:
        message_class, answers = _ingest(_request_id(self.request.id), order, again=again)
    except DatabaseFault as fault:
        if fault.is_final:
            raise
        time.sleep(_PAUSE)  # no row stands for it yet: the broker must keep it until one does
        raise Reject(str(fault), requeue=True) from None
    for batch in (batch for answer in answers for batch in answer.batches):
        if message_class is MessageClass.OTP:  # somebody waits: no way through the broker for a millisecond's work
            hint_deliveries(bill(runtime(), batch, segment(runtime(), batch)))
        else:
            forward(segment_batch, SEGMENT, str(batch), str(message_class))


def _ingest(request: UUID, order: Any, *, again: bool) -> tuple[MessageClass, list[Accepted]]:
    """Write an order; one that nobody survives reading, or that our own code trips over, is refused and kept so."""
    rt = runtime()
    try:
        if not (again and stumble(rt, request)):
            asked = read(order)
            message_class = asked.message_class if isinstance(asked, Order) else MessageClass.TRANSACTIONAL
            return message_class, ingest(rt, admit(rt, [(request, asked)]))
    except Exception as error:  # whatever it is, the order must not be gone with a line in a log
        if isinstance(error, DatabaseFault) and not error.is_final:
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
    hint_deliveries(bill(runtime(), UUID(batch), _measures(measures), suspect=again))


@app.task(name="sms.deliver")
def deliver_batches(batches: list[str]) -> None:
    """Carry batches to their carrier; what it did not take goes to the next."""
    hint_deliveries(deliver(runtime(), [UUID(batch) for batch in batches]))


@app.task(name="sms.promote")
def promote_due() -> None:
    """Queue what is due."""
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


@app.task(name="sms.sweep")
def sweep_stranded() -> None:
    """Mend what a death or a lost hint left behind."""
    swept = sweep(runtime())
    for hint in swept.admitted:
        forward(segment_batch, lane(SEGMENT, hint.message_class), str(hint.batch), str(hint.message_class))
    hint_deliveries(swept.queued)


@app.task(name="sms.tend")
def tend_house() -> None:
    """Do the house-keeping."""
    tend(runtime())


def hint_deliveries(hints: Iterable[Hint]) -> None:
    """Tell deliver workers of queued batches, those of a lane and carrier together."""
    groups: defaultdict[tuple[str, str], list[Hint]] = defaultdict(list)
    for hint in hints:
        groups[lane(DELIVER, hint.message_class), hint.carrier].append(hint)
    for (queue, _), members in groups.items():
        for portion in _portions(members):
            forward(deliver_batches, queue, [str(hint.batch) for hint in portion])


def _portions(hints: Sequence[Hint]) -> Iterable[list[Hint]]:
    portion: list[Hint] = []
    held = 0
    for hint in hints:
        if portion and (len(portion) == BATCHES_A_HINT or held + hint.size > MESSAGES_A_HINT):
            yield portion
            portion, held = [], 0
        portion.append(hint)
        held += hint.size
    if portion:
        yield portion


def forward(task: Any, queue: str, *args: Any) -> None:
    """Enqueue a task. The broker being away is no fault: the rows wait, and sweep will hint them again."""
    try:
        task.apply_async(args, queue=queue)
    except OperationalError:
        log.warning("the broker is away; %s will be hinted again", task.name)


def _request_id(task_id: str) -> UUID:
    """Return a producer's task id as a request id; one that is no UUID is given one, the same each time."""
    try:
        return UUID(task_id)
    except ValueError:
        return uuid5(NAMESPACE_OID, task_id)


def _numbers(measures: Sequence[Measure]) -> list[int]:
    """Return measures as small numbers: segments, negative for UCS-2."""
    return [each.segments if each.encoding is Encoding.GSM7 else -each.segments for each in measures]


def _measures(numbers: Sequence[int]) -> list[Measure]:
    return [Measure(Encoding.GSM7 if each > 0 else Encoding.UCS2, abs(each)) for each in numbers]
