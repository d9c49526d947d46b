"""What becomes of what a carrier says unasked, in its process."""

import time
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages import dead_letters, inbound
from pipeline.stages.resend import note
from pipeline.stages.settle import book
from pipeline.stages.suspected_receipts import suspect
from schema.carriage import Attempt, CarrierEvents

#: seconds for which an answer that came too late waits for its attempt to be written
_LATEST = 60.0
_late: dict[UUID, tuple[float, Attempt]] = {}


def listens_to(rt: Runtime, name: str, received: CarrierEvents) -> None:
    """Keep what a carrier says unasked; DatabaseFault when it is not kept."""
    if received.receipts:
        book(rt, received.receipts)
    if received.inbound:
        inbound.keep(rt, received.inbound)
    suspect(rt, received.suspects)
    dead_letters.keep(rt, received.dead)  # last: said again the others are kept once, and these are counted twice
    if received.late:
        _late.update((each.ref, (time.monotonic(), each)) for each in received.late)
        note_late(rt, name)


def note_late(rt: Runtime, name: str) -> None:
    """Note answers that came too late, for as long as their attempts may not be written yet."""
    if not _late:
        return
    # a list at once: the ear and the watch come here each in a thread of its own
    noted = note(rt, name, [each for _, each in list(_late.values())])
    for ref, (at, _) in list(_late.items()):
        if ref in noted or time.monotonic() - at > _LATEST:
            _late.pop(ref, None)
