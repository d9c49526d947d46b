"""The Celery tasks. What each does, and which stage passes its batches to which, is in `workers.wiring`.

A task reads its arguments, calls the wiring and publishes what that returns. A task after ingest carries ids and small
numbers only. The periodic tasks that run every minute or oftener send no events: in Flower they would hide all others.
"""

import logging
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from celery.exceptions import Reject
from kombu import Queue
from kombu.exceptions import OperationalError

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.stages.admin.audit import audit_when_due
from pipeline.stages.hourly_maintenance import drop_campaign_rows, drop_message_index, maintain
from pipeline.stages.receipt_latency import measure_receipt_latency
from pipeline.stages.resend import query_carrier
from schema.message_class import MessageClass
from workers import campaign_wiring, producer_campaigns, task_calls, wiring
from workers.app import app, runtime
from workers.broker.task_message import request_id
from workers.queues import OTP
from workers.task_calls import TaskCall

log = logging.getLogger(__name__)

#: seconds before an order is requeued that the database could not take
_PAUSE = 1.0
#: seconds before a message about a campaign is requeued that came too early: each one holds a worker meanwhile
_SHORT_PAUSE = 0.05


@app.task(name="sms.ingest", bind=True)
def ingest_order(self: Any, order: dict[str, Any]) -> None:
    """Write an order's messages; the task id is the request id, so a redelivered task changes nothing."""
    request = request_id(self.request.id)
    try:
        message_class, batches = wiring.ingest_order(
            runtime(), self.request.id, request, order, again=_is_redelivered(self)
        )
    except (ConfigurationError, DatabaseFault) as fault:
        if isinstance(fault, DatabaseFault) and fault.is_final:
            raise
        log.warning("order %(request)s waits: %(fault)s", {"request": request, "fault": fault})
        time.sleep(_PAUSE)  # it has no row yet: the broker must keep it
        raise Reject(str(fault), requeue=True) from None
    publish(wiring.after_ingest(runtime(), message_class, batches, is_idle=_is_otp_queue_empty))


@app.task(name="sms.segment")
def segment_batch(batch: str, message_class: str) -> None:
    """Measure a batch's bodies and pass the measures to bill."""
    publish(wiring.segment_batch(runtime(), UUID(batch), MessageClass(message_class)))


@app.task(name="sms.bill", bind=True)
def bill_batch(self: Any, batch: str, measures: list[int]) -> None:
    """Price a batch, hold its money, hint its delivery."""
    again = _is_redelivered(self)
    publish(wiring.bill_batch(runtime(), UUID(batch), task_calls.measures(measures), again=again))


@app.task(name="sms.deliver")
def deliver_batches(batches: list[str]) -> None:
    """Deliver batches to their carrier; what it refused goes to the next carrier."""
    publish(wiring.deliver_batches(runtime(), [UUID(batch) for batch in batches]))


@app.task(name="sms.promote", send_events=False)
def promote_due() -> None:
    """Queue batches that are due."""
    publish(wiring.promote_due(runtime()))


@app.task(name="sms.campaigns", send_events=False)
def advance_campaigns() -> None:
    """Begin, expire and finish campaigns, create the next ones of series; hint those with rows to be worked on."""
    publish(campaign_wiring.advance_campaigns(runtime()))


@app.task(name="sms.campaign.check")
def check_campaign(campaign: str) -> None:
    """Check and price the next rows of a campaign."""
    publish(campaign_wiring.check_campaign(runtime(), UUID(campaign)))


@app.task(name="sms.campaign.expand")
def expand_campaign(campaign: str) -> None:
    """Make messages of the next rows of a campaign."""
    publish(campaign_wiring.expand_campaign(runtime(), UUID(campaign)))


@app.task(name="sms.campaign.prepare")
def prepare_campaign(campaign: str) -> None:
    """Copy the rows of a campaign that was created in a series, approve and start it if that is covered."""
    publish(campaign_wiring.prepare_campaign(runtime(), UUID(campaign)))


@app.task(name="sms.campaign.create", bind=True)
def create_campaign(self: Any, definition: dict[str, Any]) -> None:
    """Create a campaign for a producer."""
    _take_request(self, definition)


@app.task(name="sms.campaign.rows", bind=True)
def load_campaign(self: Any, page: dict[str, Any]) -> None:
    """Load a page of a campaign's recipients for a producer."""
    _take_request(self, page)


@app.task(name="sms.campaign.control", bind=True)
def control_campaign(self: Any, operation: dict[str, Any]) -> None:
    """Check, start, pause, resume or abort a campaign for a producer."""
    _take_request(self, operation)


@app.task(name="sms.settle", send_events=False)
def settle_receipts() -> None:
    """Apply receipts that wait."""
    wiring.settle_receipts(runtime())


@app.task(name="sms.fold", send_events=False)
def fold_changes() -> None:
    """Fold the counted status changes into their sums by minute and by day."""
    wiring.fold_changes(runtime())


@app.task(name="sms.index", send_events=False)
def index_new() -> None:
    """Index new messages by number and correlation id."""
    wiring.index_new(runtime())


@app.task(name="sms.resend", send_events=False)
def resend_lost() -> None:
    """Resend messages that carriers lost, or may have lost."""
    publish(wiring.resend_lost(runtime()))


@app.task(name="sms.message_jobs", send_events=False)
def advance_message_jobs() -> None:
    """Work off actions on all messages that a search found."""
    publish(wiring.advance_message_jobs(runtime()))


@app.task(name="sms.query")
def ask_carrier(carrier: str, messages: list[str]) -> None:
    """Query a carrier for the status of messages with an unknown outcome."""
    query_carrier(runtime(), carrier, [UUID(message) for message in messages])


@app.task(name="sms.receipt_latency", send_events=False)
def measure_latencies() -> None:
    """Measure how long carriers take to send receipts."""
    measure_receipt_latency(runtime())


@app.task(name="sms.inbound", send_events=False)
def handle_inbound() -> None:
    """Process MO messages: apply keywords and send replies."""
    publish(wiring.handle_inbound(runtime()))


@app.task(name="sms.sweep", send_events=False)
def sweep_stranded() -> None:
    """Recover batches after a crash or a lost hint; the journals of this host come first."""
    recover_killed()
    publish(wiring.sweep_stranded(runtime()))


def recover_killed() -> None:
    """Recover batches of killed processes of this host from their journals, and hint them again."""
    publish(wiring.recover_killed(runtime()))


@app.task(name="sms.maintenance")
def run_maintenance() -> None:
    """Run the hourly maintenance, then have the audit run: both at once would keep the ticks waiting."""
    try:
        maintain(runtime())
        drop_campaign_rows(runtime())
        drop_message_index(runtime())
    finally:
        publish([task_calls.audit_call()])


@app.task(name="sms.audit")
def run_audit() -> None:
    """Audit the installation, once a day."""
    audit_when_due(runtime())


def _take_request(task: Any, given: dict[str, Any]) -> None:
    """Do what a producer asks of a campaign; the broker keeps what came too early, or the database cannot take now."""
    id_ = task.request.id
    try:
        producer_campaigns.take_request(runtime(), task.name, id_, request_id(id_), given)
    except (ConfigurationError, DatabaseFault, producer_campaigns.TooEarly) as fault:
        if isinstance(fault, DatabaseFault) and fault.is_final:
            raise
        time.sleep(_SHORT_PAUSE if isinstance(fault, producer_campaigns.TooEarly) else _PAUSE)
        raise Reject(str(fault), requeue=True) from None


def publish(calls: Iterable[TaskCall]) -> None:
    """Enqueue tasks."""
    for call in calls:
        forward(call)


def forward(call: TaskCall) -> None:
    """Enqueue a task. An unreachable broker is no error: the rows wait, and sweep hints them again."""
    try:
        # only the carrier's own process declares its queue: name it here as it is declared there
        options: dict[str, Any] = {"queue": Queue(call.queue, routing_key=call.queue), "expires": call.expires}
        app.tasks[call.task].apply_async(call.args, **options)
    except OperationalError:
        log.warning("the broker is unreachable; %s will be hinted again", call.task)


def _is_redelivered(task: Any) -> bool:
    return bool(task.request.delivery_info.get("redelivered"))


def _is_otp_queue_empty() -> bool:
    """Whether no one-time password waits in its queue; False when the broker does not answer."""
    try:
        with app.producer_or_acquire() as producer:
            return bool(producer.channel.queue_declare(OTP, durable=True, auto_delete=False).message_count == 0)
    except Exception:  # noqa: BLE001 - each broker has its own errors, and a hint is always safe
        return False
