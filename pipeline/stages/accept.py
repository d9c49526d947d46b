"""Accept: what a caller waits for is written, measured and paid for in one transaction, each row once.

The short way of ingest, segment and bill. It takes for granted that there is money enough; where there is not, nothing
is written, and the long way finds out who of them can pay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from pipeline.rules.batching import PackedBatch, answered, as_written, pack
from pipeline.rules.money.prices import PriceBook, charge
from pipeline.rules.text.segments import Capacity, billed, measure
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, events, ledger, messages, requests
from pipeline.store.api import challenges
from pipeline.store.ledger import Hold, month_of
from schema.api import Challenge
from schema.message import Accepted, Admission, Answered, Batch, Charge, Draft, Hint
from schema.message_class import MessageClass
from schema.value_class import value_class
from schema.vocabulary import BatchStatus, Status


@value_class
class AcceptResult:
    """What became of admissions."""

    #: one each, in order; who was answered before gets that answer, still to be read back
    answers: list[Answered | Accepted]
    #: batches that may be delivered now
    hints: list[Hint]


def accept(
    rt: Runtime,
    admissions: Sequence[Admission],
    opened: Sequence[Challenge] = (),
    *,
    capacities: Mapping[str, Capacity],
) -> AcceptResult:
    """Write admissions as paid batches; return their answers. ShortOfFunds: nothing was written.

    Challenges that are opened by their texts are written with them; one that is there already stays as it is.
    `capacities`: what a part holds where an API bills by other lengths than are sent, by name space of requests.
    """
    with rt.begin() as conn:
        challenges.write(conn, opened)
        fresh, earlier = requests.take_in(conn, admissions)
        now = batches.clock(conn)
        new = [each for each in admissions if each.request in fresh]
        loads = list(pack(new, rt.new_ids(), now, rt.settings.batch_size))
        balances = _Balances(conn, loads, capacities)
        charges = [balances.charge(load) for load in loads]
        made = [_status(load, now) for load in loads]
        _write(conn, loads, charges, made, now)
        subscribing = [pair for pair in zip(loads, charges, made, strict=True) if balances.subscribes(pair[0])]
        events.tell(conn, _moves(subscribing), now)
        ledger.hold_all(conn, [hold for pair in zip(loads, charges, strict=True) if (hold := _hold(*pair))], now)
    written = as_written(loads, charges)
    answers = [earlier.get(each.request) or answered(each, written) for each in admissions]
    queued = [batch for batch in made if batch.status is BatchStatus.QUEUED]
    return AcceptResult(answers, [Hint(each.id, each.message_class, each.carrier, each.size) for each in queued])


class _Balances:
    """What the loads' accounts pay with, as it stood when it was read."""

    def __init__(self, conn: Connection, loads: Sequence[PackedBatch], capacities: Mapping[str, Capacity]) -> None:
        self._capacities = capacities
        paying = [load for load in loads if not load.batch.test]
        self._books = {
            account: PriceBook(lines)
            for account, lines in ledger.books(conn, {load.batch.account for load in paying}).items()
        }
        wanted = {_payer(load) for load in loads}
        found = ledger.quotas_left(conn, wanted) if wanted else {}
        self._quotas = {payer: quota for payer, (quota, _) in found.items()}
        self._subscribing = {account for (account, _), (_, subscribes) in found.items() if subscribes}

    def subscribes(self, load: PackedBatch) -> bool:
        """Tell whether the load's account is told of its messages' moves."""
        return load.batch.account in self._subscribing

    def charge(self, load: PackedBatch) -> list[Charge]:
        """Return what each message of a load is and costs; what it takes of a quota, the next load has no more."""
        measures = measure(draft.body for _, draft in load.members)
        if load.batch.test:
            return [Charge(each, 0, 0, None) for each in measures]
        payer, book = _payer(load), self._books.get(load.batch.account, _NO_PRICES)
        prices = [book.per_segment(draft.phone, draft.country) for _, draft in load.members]
        parts = [
            billed(draft.body, each, self._capacities.get(admission.door or ""))
            for (admission, draft), each in zip(load.members, measures, strict=True)
        ]
        charges = charge(measures, parts, prices, quota=self._quotas.get(payer, 0), money=None)
        self._quotas[payer] = self._quotas.get(payer, 0) - sum(each.quota for each in charges)
        return charges


_NO_PRICES = PriceBook([])


def _payer(load: PackedBatch) -> tuple[int, date]:
    return load.batch.account, month_of(load.batch.first)


def _status(load: PackedBatch, now: datetime) -> Batch:
    status = BatchStatus.SCHEDULED if load.batch.due_at > now else BatchStatus.QUEUED
    return replace(load.batch, status=status)


def _write(
    conn: Connection,
    loads: Sequence[PackedBatch],
    charges: Sequence[Sequence[Charge]],
    made: Sequence[Batch],
    now: datetime,
) -> None:
    if not loads:
        return
    rows = (
        (_row(id_, load.batch, *member, paid), paid)
        for load, own in zip(loads, charges, strict=True)
        for id_, member, paid in zip(load.ids, load.members, own, strict=True)
    )
    messages.write_paid(conn, rows, now)
    batches.write(conn, made, hinted_at=now)


def _row(id_: UUID, batch: Batch, admission: Admission, draft: Draft, paid: Charge) -> tuple[object, ...]:
    return (
        id_,
        admission.request,
        batch.id,
        admission.account,
        draft.phone,
        draft.country,
        admission.sender,
        # a code that never goes out is not kept either
        "*" * len(draft.body) if paid.refusal and batch.message_class is MessageClass.OTP else draft.body,
        draft.correlation_id,
    )


def _moves(
    subscribing: Iterable[tuple[PackedBatch, Sequence[Charge], Batch]],
) -> Iterable[tuple[UUID, Status]]:
    for load, charges, batch in subscribing:
        for id_, paid in zip(load.ids, charges, strict=True):
            if paid.refusal:
                yield id_, Status.REJECTED
            elif batch.status is BatchStatus.QUEUED:  # what is scheduled is queued when its minute comes
                yield id_, Status.QUEUED


def _hold(load: PackedBatch, charges: Sequence[Charge]) -> Hold | None:
    account, month = _payer(load)
    amount, quota = sum(each.amount for each in charges), sum(each.quota for each in charges)
    return Hold(account, load.batch.id, month, amount, quota) if amount or quota else None
