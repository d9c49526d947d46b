"""Bill: price each message of a batch, hold its money or quota, and schedule or queue the batch."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from pipeline.errors import DatabaseFault, InsufficientFunds
from pipeline.rules.identity import ids
from pipeline.rules.money.message_pricing import Payer, Pricing, free
from pipeline.rules.text.segments import Capacity, billed, measure
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, messages, wallet_ledger
from pipeline.store.batches import Unpaid
from pipeline.store.messages import Member
from pipeline.transitions import paid_batches
from schema.message import Charge, Hint, Measure
from schema.vocabulary import Encoding


def bill(
    rt: Runtime,
    batch: UUID,
    measures: Sequence[Measure] | None = None,
    *,
    capacities: Mapping[str, Capacity],
    was_tried: bool = False,
) -> list[Hint]:
    """Bill an admitted batch with these measures (in order of message id); return its hint if it may be delivered now.

    `capacities`: segment lengths of APIs that bill by other ones than are sent, by name space of requests.
    Measures that are None are computed here. A message that cannot be paid for is rejected, the others are not.
    Idempotent. `was_tried`: an earlier try may have killed its worker, so tries of the batch are counted before it is
    processed, those of others if they fail for a reason other than a temporary database fault.
    """
    if was_tried:
        _count_try(rt, batch)
    try:
        return _pay(rt, batch, measures, capacities)
    except Exception as error:
        if not was_tried and not (isinstance(error, DatabaseFault) and not error.is_final):
            _count_try(rt, batch)
        raise


def bill_all(rt: Runtime, together: Iterable[UUID], capacities: Mapping[str, Capacity]) -> list[Hint]:
    """Bill admitted batches as `bill` does, in one transaction, or one by one if that fails; return their hints."""
    wanted = list(dict.fromkeys(together))
    if len(wanted) > 1:
        with suppress(InsufficientFunds, DatabaseFault), rt.begin() as conn:
            return _bill(rt, conn, dict.fromkeys(wanted), capacities)
    return [hint for batch in wanted for hint in bill(rt, batch, capacities=capacities)]


def _count_try(rt: Runtime, batch: UUID) -> None:
    with rt.begin() as conn:
        batches.count_try(conn, batch)


def _pay(
    rt: Runtime, batch: UUID, measures: Sequence[Measure] | None, capacities: Mapping[str, Capacity]
) -> list[Hint]:
    """Bill with the wallet debited last and not read before, so that its lock is short.

    If the money does not suffice for all messages, bill again with the wallet locked, message by message.
    """
    try:
        with rt.begin() as conn:
            return _bill(rt, conn, {batch: measures}, capacities)
    except InsufficientFunds:
        with rt.begin() as conn:
            return _bill(rt, conn, {batch: measures}, capacities, lock=True)


@dataclass(frozen=True, slots=True)
class _Bill:
    """An admitted batch, locked, with those of its messages that are to be charged."""

    unpaid: Unpaid
    members: list[Member]
    #: in the order of the members
    measures: list[Measure]
    parts: list[int]

    @property
    def payer(self) -> Payer:
        """Return whose quota of which month pays."""
        return self.unpaid.account, ids.month(self.unpaid.span.first)


def _bill(
    rt: Runtime,
    conn: Connection,
    wanted: Mapping[UUID, Sequence[Measure] | None],
    capacities: Mapping[str, Capacity],
    *,
    lock: bool = False,
) -> list[Hint]:
    """Bill batches with these measures (None: measured here); `lock`: with the wallets locked first."""
    now = rt.now()
    # concurrent transactions lock batches in the same order
    read = (_read(conn, batch, wanted[batch], capacities) for batch in sorted(wanted))
    bills = [each for each in read if each]
    pricing = _pricing(rt, conn, bills, lock=lock)
    hints, holds = [], []
    for each in bills:
        charges = _charges(pricing, each)
        queued, held = paid_batches.pay(conn, now, each.unpaid, [member.id for member in each.members], charges)
        hints += queued
        holds += held
    wallet_ledger.hold_all(conn, holds, now)
    return hints


def _read(
    conn: Connection, batch: UUID, measures: Sequence[Measure] | None, capacities: Mapping[str, Capacity]
) -> _Bill | None:
    """Lock an admitted batch and return it with what is to be charged; None if it is billed already."""
    unpaid = batches.unpaid(conn, batch, lock=True)
    if unpaid is None:
        return None
    if measures is None:
        measures = measure(messages.bodies(conn, unpaid.span))
    if len(measures) != unpaid.size:
        return None
    # messages cancelled meanwhile are not charged
    found = [pair for pair in zip(messages.members(conn, unpaid.span), measures, strict=True) if pair[0].is_undecided]
    members, own = [member for member, _ in found], [each for _, each in found]
    return _Bill(unpaid, members, own, _parts(conn, members, own, capacities))


def _parts(
    conn: Connection, members: Sequence[Member], measures: Sequence[Measure], capacities: Mapping[str, Capacity]
) -> list[int]:
    """Return the number of billed segments of each message: as transmitted, unless its API counts otherwise."""
    parts = [each.segments for each in measures]
    # APIs count otherwise for long UCS-2 texts only
    long = {
        member.id: place
        for place, (member, each) in enumerate(zip(members, measures, strict=True))
        if each.segments > 1 and each.encoding is Encoding.UCS2
    }
    for id_, door, body in messages.sent_through(conn, list(long), capacities):
        parts[long[id_]] = billed(body, measures[long[id_]], capacities.get(door))
    return parts


def _pricing(rt: Runtime, conn: Connection, bills: Sequence[_Bill], *, lock: bool) -> Pricing:
    """Return the pricing of these batches; with `lock` of one batch at most, whose account's funds are locked."""
    paying = {each.payer for each in bills if not each.unpaid.test}
    if not paying:
        return Pricing({}, {})
    books = wallet_ledger.books(conn, {account for account, _ in paying}, rt.common_time(bills[0].unpaid.clock))
    if not lock:
        return Pricing(books, {each: quota for each, (quota, _) in wallet_ledger.quotas_left(conn, paying).items()})
    [payer] = paying
    money, quota = wallet_ledger.funds(conn, *payer, lock=True)
    return Pricing(books, {payer: quota}, {payer[0]: money})


def _charges(pricing: Pricing, bill: _Bill) -> list[Charge]:
    if bill.unpaid.test:
        return free(bill.measures)
    destinations = ((member.phone, member.country) for member in bill.members)
    return pricing.charge(bill.payer, destinations, bill.measures, bill.parts)
