"""Calls of the internal tasks: which task, on which queue, with which arguments (ids and small numbers)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.carrier_placement import placement
from schema.message import Hint, Measure
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, Placement
from workers import queues
from workers.queues import BILL, CAMPAIGN, DELIVER, MAINTENANCE, OWN, SEGMENT

#: seconds after which a hint of a campaign is dropped: busy workers do not find a heap of them
_HINT_SECONDS = 10.0
#: seconds after which the next hourly maintenance asks for the audit again
_AUDIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class TaskCall:
    """One task to publish. If it is lost, `sweep` finds its rows and publishes another."""

    task: str
    queue: str
    args: tuple[object, ...]
    #: seconds after which the clock publishes another, and this one is dropped; None: never
    expires: float | None = None


def segment_calls(batches: Iterable[UUID], message_class: MessageClass) -> list[TaskCall]:
    """Return the calls that measure the texts of batches."""
    queue = queues.queue_for(SEGMENT, message_class)
    return [TaskCall("sms.segment", queue, (str(batch), str(message_class))) for batch in batches]


def bill_call(batch: UUID, message_class: MessageClass, measures: Sequence[Measure]) -> TaskCall:
    """Return the call that prices a batch, by the measures of its texts."""
    numbers = [each.segments if each.encoding is Encoding.GSM7 else -each.segments for each in measures]
    return TaskCall("sms.bill", queues.queue_for(BILL, message_class), (str(batch), numbers))


def measures(numbers: Sequence[int]) -> list[Measure]:
    """Return the measures in the arguments of a call of `sms.bill`: numbers of segments, negative for UCS-2."""
    return [Measure(Encoding.GSM7 if each > 0 else Encoding.UCS2, abs(each)) for each in numbers]


def deliver_calls(rt: Runtime, hints: Iterable[Hint]) -> list[TaskCall]:
    """Return the calls that deliver queued batches, on the queues that their carriers' placements demand."""
    grouped = queues.deliveries(hints, lambda carrier: placement(rt, carrier))
    return [TaskCall("sms.deliver", queue, (batches,)) for queue, batches in grouped]


def check_call(campaign: UUID) -> TaskCall:
    """Return the call that checks the next rows of a campaign."""
    return TaskCall("sms.campaign.check", CAMPAIGN, (str(campaign),), _HINT_SECONDS)


def expand_call(campaign: UUID) -> TaskCall:
    """Return the call that makes messages of the next rows of a campaign."""
    return TaskCall("sms.campaign.expand", CAMPAIGN, (str(campaign),), _HINT_SECONDS)


def prepare_call(campaign: UUID) -> TaskCall:
    """Return the call that prepares a campaign which the clock has created in a series."""
    return TaskCall("sms.campaign.prepare", CAMPAIGN, (str(campaign),), _HINT_SECONDS)


def audit_call() -> TaskCall:
    """Return the call that audits the installation, if that is due."""
    return TaskCall("sms.audit", MAINTENANCE, (), _AUDIT_SECONDS)


def query_calls(rt: Runtime, asks: Mapping[str, Sequence[UUID]]) -> list[TaskCall]:
    """Return the calls that query carriers for the status of messages; `asks`: carrier → messages."""
    return [
        TaskCall("sms.query", _query_queue(rt, carrier), (carrier, [str(message) for message in messages]))
        for carrier, messages in asks.items()
    ]


def _query_queue(rt: Runtime, carrier: str) -> str:
    return DELIVER if placement(rt, carrier) is Placement.SHARED else f"{OWN}{carrier}"
