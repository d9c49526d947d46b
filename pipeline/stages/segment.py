"""Segment: find how each message of a batch travels, and in how many parts."""

from uuid import UUID

from pipeline.rules.text.segments import measure
from pipeline.runtime import Runtime
from pipeline.store import batches, messages
from schema.message import Measure


def segment(rt: Runtime, batch: UUID) -> list[Measure]:
    """Measure the messages of an admitted batch; return their measures by message id, none when it is past that.

    Nothing is written: the measures go to `bill` (small numbers, no text), and if they get lost on the way the batch
    is measured again.
    """
    with rt.begin() as conn:
        unpaid = batches.unpaid(conn, batch)
        texts = messages.bodies(conn, unpaid.span) if unpaid else []
        if unpaid and unpaid.suspect:
            batches.count_try(conn, batch)
    measures = measure(texts)
    if unpaid and unpaid.suspect:
        with rt.begin() as conn:
            batches.survived(conn, batch)
    return measures
