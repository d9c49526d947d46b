"""Batching: groups messages by account, class, due time, validity, carrier, and the month whose quota pays."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pipeline.rules.consent import send_window
from pipeline.rules.identity import ids
from schema.message import AcceptedMessage, Admission, Answered, Batch, Charge, Draft
from schema.vocabulary import BatchStatus


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """One batch to be inserted, with its messages."""

    batch: Batch
    members: list[tuple[Admission, Draft]]
    #: the messages' ids, in the members' order
    ids: list[UUID]


def pack(admissions: Iterable[Admission], first: UUID, now: datetime, most: int) -> Iterator[PackedBatch]:
    """Yield the drafts of admissions as batches of at most `most` messages; the batches' ids count up from `first`."""
    count = 0
    for batch, members in _group(admissions, now):
        for start in range(0, len(members), most):
            some = members[start : start + most]
            own = [ids.after(admission.first, draft.index) for admission, draft in some]
            made = replace(batch, id=ids.after(first, count), size=len(some), first=min(own), last=max(own))
            yield PackedBatch(made, some, own)
            count += 1


def _group(admissions: Iterable[Admission], now: datetime) -> Iterator[tuple[Batch, list[tuple[Admission, Draft]]]]:
    groups: defaultdict[tuple[Batch, int], list[tuple[Admission, Draft]]] = defaultdict(list)
    for admission in admissions:
        kinds: dict[tuple[str, datetime | None], list[tuple[Admission, Draft]]] = {}
        month = ids.moment(admission.first).month
        for draft in admission.drafts:
            way = draft.carrier, draft.due_at
            members = kinds.get(way)
            if members is None:
                members = kinds[way] = groups[_kind(admission, *way, now), month]
            members.append((admission, draft))
    yield from ((kind, members) for (kind, _), members in groups.items())


_NOBODY = UUID(int=0)


def _kind(admission: Admission, carrier: str, due_at: datetime | None, now: datetime) -> Batch:
    """Return what all batches of an admission's messages to a carrier with this due time have in common."""
    assert admission.account is not None
    due = max(due_at or admission.send_at or now, now)
    return Batch(
        id=_NOBODY,
        account=admission.account,
        message_class=admission.message_class,
        carrier=carrier,
        test=admission.test,
        status=BatchStatus.ADMITTED,
        due_at=due,
        valid_until=send_window.expiry(admission.message_class, due, admission.valid_until),
        size=0,
        first=_NOBODY,
        last=_NOBODY,
        send_at=admission.send_at if due > now else None,
        snapshot=admission.snapshot,
        campaign=admission.campaign,
    )


def as_written(loads: Iterable[PackedBatch], charges: Iterable[Sequence[Charge]]) -> dict[UUID, AcceptedMessage]:
    """Return each charged message of the batches as its response shows it, by its id."""
    return {
        id_: AcceptedMessage(
            id=id_,
            phone=draft.phone,
            country=draft.country,
            sender=admission.sender,
            body=draft.body,
            correlation_id=draft.correlation_id,
            encoding=paid.measure.encoding,
            segments=paid.measure.segments,
            amount=paid.amount,
            quota=paid.quota,
            carrier=load.batch.carrier,
            send_at=load.batch.send_at,
            valid_until=load.batch.valid_until,
            test=load.batch.test,
            refusal=paid.refusal,
        )
        for load, own in zip(loads, charges, strict=True)
        for id_, (admission, draft), paid in zip(load.ids, load.members, own, strict=True)
    }


def answered(admission: Admission, written: Mapping[UUID, AcceptedMessage]) -> Answered:
    """Return the complete response to an admission whose messages are among these."""
    placed: list[AcceptedMessage | None] = [None] * admission.recipients
    for draft in admission.drafts:
        placed[draft.index] = written[ids.after(admission.first, draft.index)]
    return Answered(admission.request, placed, admission.refusals)
