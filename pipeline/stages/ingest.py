"""Ingest: write admissions as requests, batches and messages, in one transaction and idempotently by request id."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from pipeline.rules.batching import PackedBatch, pack
from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import batches
from pipeline.transitions import new_batches, new_requests
from schema.message import Accepted, Admission


def ingest(rt: Runtime, admissions: Sequence[Admission]) -> list[Accepted]:
    """Write the admissions' messages in batches; return the response to each, in order.

    An admission whose request id or idempotency key was used before is not written: it gets the earlier response.
    """
    with rt.begin() as conn:
        fresh, earlier = new_requests.write_new(conn, admissions)
        clock = batches.clock(conn)
        new = [each for each in admissions if each.request in fresh]
        loads = list(pack(new, rt.new_ids(), clock, rt.settings.batch_size))
        new_batches.admit(conn, clock, loads)
    written = _batches(loads)
    return [earlier.get(each.request) or _answer(each, written) for each in admissions]


def _batches(loads: Iterable[PackedBatch]) -> dict[UUID, list[UUID]]:
    """Return request → ids of its batches."""
    belongs: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for load in loads:
        for request in {admission.request for admission, _ in load.members}:
            belongs[request].append(load.batch.id)
    return belongs


def _answer(admission: Admission, written: dict[UUID, list[UUID]]) -> Accepted:
    placed: list[UUID | None] = [None] * admission.recipients
    for draft in admission.drafts:
        placed[draft.index] = ids.after(admission.first, draft.index)
    return Accepted(admission.request, placed, admission.refusals, written.get(admission.request, []))
