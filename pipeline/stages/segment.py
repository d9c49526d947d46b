"""Segment: determine the encoding (GSM-7 or UCS-2) and the number of segments of each message of a batch."""

from uuid import UUID

from pipeline.rules.text.segments import measure
from pipeline.runtime import Runtime
from pipeline.store import batches, messages
from schema.message import Measure


def segment(rt: Runtime, batch: UUID) -> list[Measure]:
    """Measure an admitted batch; return the measures in order of message id; empty if it is billed already.

    The measures are not stored but passed to `bill` (small numbers, no text); if they are lost on the way, the batch is
    measured again.
    """
    with rt.begin() as conn:
        unpaid = batches.unpaid(conn, batch)
        texts = messages.bodies(conn, unpaid.span) if unpaid else []
        if unpaid and unpaid.was_tried:
            batches.count_try(conn, batch)
    measures = measure(texts)
    if unpaid and unpaid.was_tried:
        with rt.begin() as conn:
            batches.uncount_try(conn, batch)
    return measures
