"""Handles what a carrier sends by itself (receipts, MO messages, late submit responses), in its worker."""

import time
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.resend import store_answers
from schema.carriage import Attempt, CarrierEvents
from workers.wiring import take_events

#: seconds for which a late submit response waits for its attempt to be written
_LATEST = 60.0
_late: dict[UUID, tuple[float, Attempt]] = {}


def handle_events(rt: Runtime, name: str, received: CarrierEvents) -> None:
    """Store what a carrier sent by itself, and apply its receipts; DatabaseFault when it is not stored."""
    take_events(rt, received)
    if received.late:
        _late.update((each.ref, (time.monotonic(), each)) for each in received.late)
        note_late(rt, name)


def note_late(rt: Runtime, name: str) -> None:
    """Record late submit responses, for as long as their attempts may not be written yet."""
    if not _late:
        return
    # copied first: the listener and the watch thread both call this
    noted = store_answers(rt, name, [each for _, each in list(_late.values())])
    for ref, (at, _) in list(_late.items()):
        if ref in noted or time.monotonic() - at > _LATEST:
            _late.pop(ref, None)
