"""The arguments that each task accepts: a message with others is dead-lettered before it reaches a pool child."""

import re
from collections.abc import Callable
from typing import Any

from schema.message_class import MessageClass

Args = list[Any]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLASSES = frozenset(map(str, MessageClass))
#: more segments than the database's smallint holds
_SEGMENTS = 32_768


def fitting(task: str, args: Args, kwargs: dict[str, Any]) -> Args | None:
    """Return a task's positional arguments; None when the task does not accept these."""
    if task == "sms.ingest" and not args and kwargs.keys() == {"order"}:
        return [kwargs["order"]]
    return args if not kwargs and TAKES[task](args) else None


def _nothing(args: Args) -> bool:
    return not args


def _order(args: Args) -> bool:
    """An order is validated later, where the producer gets its errors; so is what it asks of a campaign."""
    return len(args) == 1


def _batch_and_class(args: Args) -> bool:
    return len(args) == 2 and _is_id(args[0]) and isinstance(args[1], str) and args[1] in _CLASSES


def _batch_and_measures(args: Args) -> bool:
    return len(args) == 2 and _is_id(args[0]) and isinstance(args[1], list) and all(map(_is_measure, args[1]))


def _batches(args: Args) -> bool:
    return len(args) == 1 and _are_ids(args[0])


def _carrier_and_messages(args: Args) -> bool:
    return len(args) == 2 and isinstance(args[0], str) and _are_ids(args[1])


def _campaign(args: Args) -> bool:
    return len(args) == 1 and _is_id(args[0])


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_id, value))


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_measure(value: Any) -> bool:
    """Whether it is a number of segments, negative for UCS-2; zero would be sent without a price."""
    return type(value) is int and 0 < abs(value) < _SEGMENTS


#: task name → whether it accepts these arguments
TAKES: dict[str, Callable[[Args], bool]] = {
    "sms.ingest": _order,
    "sms.segment": _batch_and_class,
    "sms.bill": _batch_and_measures,
    "sms.deliver": _batches,
    "sms.query": _carrier_and_messages,
    "sms.campaign.check": _campaign,
    "sms.campaign.control": _order,
    "sms.campaign.create": _order,
    "sms.campaign.expand": _campaign,
    "sms.campaign.prepare": _campaign,
    "sms.campaign.rows": _order,
    "sms.campaigns": _nothing,
    "sms.fold": _nothing,
    "sms.index": _nothing,
    "sms.promote": _nothing,
    "sms.settle": _nothing,
    "sms.resend": _nothing,
    "sms.message_jobs": _nothing,
    "sms.receipt_latency": _nothing,
    "sms.inbound": _nothing,
    "sms.sweep": _nothing,
    "sms.maintenance": _nothing,
    "sms.audit": _nothing,
}
