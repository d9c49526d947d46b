"""Ingest: admissions become rows, all of them or none, and the same request twice becomes them once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from pipeline.rules.batching import PackedBatch, pack
from pipeline.rules.identity import ids
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, messages, requests
from schema.message import Accepted, Admission, Batch, Draft


def ingest(rt: Runtime, admissions: Sequence[Admission]) -> list[Accepted]:
    """Write the admissions' messages in batches; return the answer to each, in order.

    An admission whose request id or idempotency key was answered before is not written: its answer is that one.
    """
    with rt.begin() as conn:
        fresh, earlier = requests.take_in(conn, admissions)
        now = batches.clock(conn)
        new = [each for each in admissions if each.request in fresh]
        written = _write(conn, pack(new, rt.new_ids(), now, rt.settings.batch_size), now)
    return [earlier.get(each.request) or _answer(each, written) for each in admissions]


def _write(conn: Connection, loads: Iterable[PackedBatch], now: datetime) -> dict[UUID, list[UUID]]:
    """Write loads; return each request's batches."""
    made: list[Batch] = []
    belongs: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for load in loads:
        batch = load.batch.id
        rows = zip(load.ids, load.members, strict=True)
        messages.write(conn, (_row(id_, batch, *member) for id_, member in rows))
        made.append(load.batch)
        for request in {admission.request for admission, _ in load.members}:
            belongs[request].append(batch)
    if made:
        batches.write(conn, made, hinted_at=now)
    return belongs


def _row(id_: UUID, batch: UUID, admission: Admission, draft: Draft) -> tuple[object, ...]:
    return (
        id_,
        admission.request,
        batch,
        admission.account,
        draft.phone,
        draft.country,
        admission.sender,
        draft.body,
        draft.correlation_id,
    )


def _answer(admission: Admission, written: dict[UUID, list[UUID]]) -> Accepted:
    placed: list[UUID | None] = [None] * admission.recipients
    for draft in admission.drafts:
        placed[draft.index] = ids.after(admission.first, draft.index)
    return Accepted(admission.request, placed, admission.refusals, written.get(admission.request, []))
