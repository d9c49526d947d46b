"""New batches and their messages: admitted, to be billed later; or billed already, and scheduled or queued."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from pipeline.rules.batching import PackedBatch
from pipeline.runtime import Connection
from pipeline.store import batches, events, message_moves, messages, status_counts
from pipeline.store.status_counts import NewMessages
from pipeline.store.wallet_ledger import Hold
from pipeline.transitions import paid_batches
from schema.message import Admission, Charge, Draft, Hint
from schema.message_class import MessageClass
from schema.vocabulary import BatchStatus, Status

#: a batch with the measure and cost of each of its messages
Priced = tuple[PackedBatch, Sequence[Charge]]


def admit(conn: Connection, clock: datetime, packed: Iterable[PackedBatch]) -> None:
    """Write batches that are to be segmented and billed later; `clock`: the database's time."""
    made = []
    for load in packed:
        batch = load.batch.id
        rows = zip(load.ids, load.members, strict=True)
        messages.write(conn, (_row(id_, batch, admission, draft, draft.body) for id_, (admission, draft) in rows))
        made.append(load.batch)
    if made:
        batches.write(conn, made, hinted_at=clock)


def accept(
    conn: Connection, now: datetime, priced: Sequence[Priced], subscribing: Collection[int], *, clock: datetime
) -> tuple[list[Hint], list[Hold]]:
    """Write billed batches as scheduled or queued; messages that cannot be paid for are rejected.

    Return hints of those that may be delivered now, and the holds to pass to `wallet_ledger.hold_all`, once and last in
    the transaction. Events are written for the accounts in `subscribing`; `clock`: the database's time, by which
    batches are due.
    """
    if not priced:
        return [], []
    statuses = [BatchStatus.SCHEDULED if load.batch.due_at > clock else BatchStatus.QUEUED for load, _ in priced]
    message_moves.write_paid(conn, (row for load, charges in priced for row in _paid_rows(load, charges)), now)
    status_counts.append(conn, _count(priced), now)
    made = [replace(load.batch, status=status) for (load, _), status in zip(priced, statuses, strict=True)]
    batches.write(conn, made, hinted_at=clock)
    moves = (
        move
        for (load, charges), status in zip(priced, statuses, strict=True)
        if load.batch.account in subscribing
        for move in paid_batches.billed(load.ids, charges, is_queued=status is BatchStatus.QUEUED)
    )
    events.record(conn, moves, now)
    queued = [batch for batch in made if batch.status is BatchStatus.QUEUED]
    hints = [Hint(each.id, each.message_class, each.carrier, each.size) for each in queued]
    return hints, [
        hold
        for load, charges in priced
        for hold in paid_batches.holds(load.batch.account, load.batch.id, load.batch.first, charges)
    ]


def _count(priced: Sequence[Priced]) -> list[NewMessages]:
    """Return the numbers of new messages and their segments, by batch, country, and whether they were rejected."""
    found = []
    for load, charges in priced:
        batch = load.batch
        messages: Counter[tuple[str, bool]] = Counter()
        segments: Counter[tuple[str, bool]] = Counter()
        for (_, draft), paid in zip(load.members, charges, strict=True):
            key = draft.country, paid.refusal is not None
            messages[key] += 1
            segments[key] += paid.measure.segments
        found += [
            NewMessages(
                account=batch.account,
                campaign=batch.campaign,
                country=country,
                carrier=batch.carrier,
                message_class=str(batch.message_class),
                test=batch.test,
                status=Status.REJECTED if is_rejected else Status.QUEUED,
                messages=number,
                segments=segments[country, is_rejected],
            )
            for (country, is_rejected), number in messages.items()
        ]
    return found


def _paid_rows(load: PackedBatch, charges: Sequence[Charge]) -> Iterator[tuple[tuple[object, ...], Charge]]:
    batch, is_code = load.batch.id, load.batch.message_class is MessageClass.OTP
    for id_, (admission, draft), paid in zip(load.ids, load.members, charges, strict=True):
        # a code that is never sent is not stored either
        body = "*" * len(draft.body) if paid.refusal and is_code else draft.body
        yield _row(id_, batch, admission, draft, body), paid


def _row(id_: UUID, batch: UUID, admission: Admission, draft: Draft, body: str) -> tuple[object, ...]:
    return (
        id_,
        admission.request,
        batch,
        admission.account,
        draft.phone,
        draft.country,
        admission.sender,
        body,
        draft.correlation_id,
    )
