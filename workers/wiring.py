"""Wiring: which stage passes what to which, for messages and receipts from Celery, HTTP and SMPP."""

import logging
from collections.abc import Sequence

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages import dead_letters, inbound, receive
from pipeline.stages.settle import PORTION as SETTLED_AT_ONCE
from pipeline.stages.settle import book
from pipeline.stages.suspected_receipts import suspect
from schema.carriage import CarrierEvents, Receipt

log = logging.getLogger(__name__)


def take_events(rt: Runtime, events: CarrierEvents) -> None:
    """Store what carriers sent by themselves, over SMPP or HTTP; DatabaseFault when it is not all stored."""
    for start in range(0, len(events.receipts), SETTLED_AT_ONCE):
        _take_receipts(rt, events.receipts[start : start + SETTLED_AT_ONCE])
    if events.inbound:
        inbound.keep(rt, events.inbound)
    suspect(rt, events.suspects)
    dead_letters.keep(rt, events.dead)  # last: on a retransmission the others are stored once, these twice


def _take_receipts(rt: Runtime, receipts: Sequence[Receipt]) -> None:
    """Store and apply receipts; while they cannot be applied (a lock, a deadlock) store them, for `settle`."""
    try:
        book(rt, receipts)
    except DatabaseFault as fault:
        if fault.is_final or fault.sqlstate is None:  # storing them would fail in the same way
            raise
        log.warning("%d receipts wait to be applied: %s", len(receipts), fault)
        receive.keep(rt, receipts)
