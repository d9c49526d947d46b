"""Which messages travel together: those of one account, class, due time, validity, carrier, and month that pays."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pipeline.rules import ids, windows
from schema.message import Admission, Batch, Draft
from schema.vocabulary import BatchStatus


@dataclass(frozen=True, slots=True)
class Load:
    """One batch to be, with its messages."""

    batch: Batch
    members: list[tuple[Admission, Draft]]
    #: the messages' ids, in the members' order
    ids: list[UUID]


def pack(admissions: Iterable[Admission], first: UUID, now: datetime, most: int) -> Iterator[Load]:
    """Yield the drafts of admissions as batches of at most so many; the batches' own ids begin at `first`."""
    count = 0
    for batch, members in _group(admissions, now):
        for start in range(0, len(members), most):
            some = members[start : start + most]
            own = [ids.after(admission.first, draft.index) for admission, draft in some]
            made = replace(batch, id=ids.after(first, count), size=len(some), first=min(own), last=max(own))
            yield Load(made, some, own)
            count += 1


def _group(admissions: Iterable[Admission], now: datetime) -> Iterator[tuple[Batch, list[tuple[Admission, Draft]]]]:
    groups: defaultdict[tuple[Batch, int], list[tuple[Admission, Draft]]] = defaultdict(list)
    for admission in admissions:
        kinds: dict[str, list[tuple[Admission, Draft]]] = {}
        month = ids.moment(admission.first).month
        for draft in admission.drafts:
            members = kinds.get(draft.carrier)
            if members is None:
                members = kinds[draft.carrier] = groups[_kind(admission, draft.carrier, now), month]
            members.append((admission, draft))
    yield from ((kind, members) for (kind, _), members in groups.items())


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
