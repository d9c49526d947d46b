"""Ingest: admissions become rows, all of them or none, and the same request twice becomes them once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pipeline.rules import ids, windows
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, messages, requests
from pipeline.store.batches import Batch
from schema.message import Accepted, Admission, Draft
from schema.vocabulary import BatchStatus


def ingest(rt: Runtime, admissions: Sequence[Admission]) -> list[Accepted]:
    """Write the admissions' messages in batches; return the answer to each, in order.

    An admission whose request id or idempotency key was answered before is not written: its answer is that one.
    """
    with rt.begin() as conn:
        holders = requests.reserve(conn, admissions)
        heard_first = [each for each in admissions if holders.get(each.request, each.request) == each.request]
        fresh = requests.write(conn, sorted(heard_first, key=lambda each: each.request))
        now = batches.clock(conn)
        loads = _group([each for each in admissions if each.request in fresh], now)
        written = _write(rt, conn, loads, now)
        earlier = {
            each.request: holders.get(each.request, each.request) for each in admissions if each.request not in fresh
        }
        answered = requests.answers(conn, list(earlier.values()))
    return [
        _replay(each, *answered[earlier[each.request]]) if each.request in earlier else _answer(each, written)
        for each in admissions
    ]


@dataclass(frozen=True, slots=True)
class _Load:
    """One batch to be, with its messages."""

    batch: Batch
    members: list[tuple[Admission, Draft]]


def _group(admissions: Iterable[Admission], now: datetime) -> list[_Load]:
    """Sort drafts into loads that share account, class, due time, validity, carrier, and the month that pays."""
    groups: defaultdict[tuple[Batch, int], list[tuple[Admission, Draft]]] = defaultdict(list)
    for admission in admissions:
        kinds: dict[str, list[tuple[Admission, Draft]]] = {}
        month = ids.moment(admission.first).month
        for draft in admission.drafts:
            members = kinds.get(draft.carrier)
            if members is None:
                members = kinds[draft.carrier] = groups[_kind(admission, draft.carrier, now), month]
            members.append((admission, draft))
    return [_Load(kind, members) for (kind, _), members in groups.items()]


_NOBODY = UUID(int=0)


def _kind(admission: Admission, carrier: str, now: datetime) -> Batch:
    """Return what the batches of an admission's messages to a carrier have in common."""
    assert admission.account is not None
    due = max(admission.send_at or now, now)
    return Batch(
        id=_NOBODY,
        account=admission.account,
        message_class=admission.message_class,
        carrier=carrier,
        test=admission.test,
        status=BatchStatus.ADMITTED,
        due_at=due,
        valid_until=windows.expiry(admission.message_class, due, admission.valid_until),
        size=0,
        first=_NOBODY,
        last=_NOBODY,
        send_at=admission.send_at if due > now else None,
    )


def _write(rt: Runtime, conn: Connection, loads: Sequence[_Load], now: datetime) -> dict[UUID, list[UUID]]:
    """Write loads as batches of at most `batch_size` messages; return each request's batches."""
    made: list[Batch] = []
    belongs: defaultdict[UUID, list[UUID]] = defaultdict(list)
    first, size = rt.mint(), rt.settings.batch_size
    for load in loads:
        for start in range(0, len(load.members), size):
            members = load.members[start : start + size]
            batch = ids.after(first, len(made))
            own = [ids.after(admission.first, draft.index) for admission, draft in members]
            messages.write(conn, (_row(id_, batch, *member) for id_, member in zip(own, members, strict=True)))
            made.append(replace(load.batch, id=batch, size=len(members), first=min(own), last=max(own)))
            for request in {admission.request for admission, _ in members}:
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


def _replay(admission: Admission, answer: Accepted, fingerprint: bytes | None) -> Accepted:
    altered = bool(admission.fingerprint and fingerprint and admission.fingerprint != fingerprint)
    return replace(answer, altered=altered)
