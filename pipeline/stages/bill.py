"""Bill: price each message of a batch, hold its money or quota, and schedule or queue the batch."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from pipeline.errors import DatabaseFault, ShortOfFunds
from pipeline.rules.money.prices import PriceBook, charge
from pipeline.rules.text.segments import Capacity, billed, measure
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, ledger, messages
from pipeline.store.batches import Unpaid
from pipeline.store.ledger import Hold
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
    suspect: bool = False,
) -> list[Hint]:
    """Bill an admitted batch with these measures (in order of message id); return its hint if it may be delivered now.

    `capacities`: segment lengths of APIs that bill by other ones than are sent, by name space of requests.
    Measures that are None are computed here. A message that cannot be paid for is rejected, the others are not.
    Idempotent. A suspect batch was tried before and may have killed its worker: its tries are counted before it is
    processed, those of others if they fail for a reason other than a temporary database fault.
    """
    if suspect:
        _count_try(rt, batch)
    try:
        return _pay(rt, batch, measures, capacities)
    except Exception as error:
        if not suspect and not (isinstance(error, DatabaseFault) and not error.is_final):
            _count_try(rt, batch)
        raise


def bill_all(rt: Runtime, together: Iterable[UUID], capacities: Mapping[str, Capacity]) -> list[Hint]:
    """Bill admitted batches as `bill` does, in one transaction, or one by one if that fails; return their hints."""
    wanted = list(dict.fromkeys(together))
    if len(wanted) > 1:
        with suppress(ShortOfFunds, DatabaseFault), rt.begin() as conn:
            now = rt.now()
            hints, holds = [], []
            for batch in sorted(wanted):  # concurrent transactions lock them in the same order
                queued, hold = _price(conn, now, batch, None, capacities, lock=False)
                hints += queued
                holds += hold
            ledger.hold_all(conn, holds, now)
            return hints
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
            return _bill(conn, rt.now(), batch, measures, capacities, lock=False)
    except ShortOfFunds:
        with rt.begin() as conn:
            return _bill(conn, rt.now(), batch, measures, capacities, lock=True)


def _bill(
    conn: Connection,
    now: datetime,
    batch: UUID,
    measures: Sequence[Measure] | None,
    capacities: Mapping[str, Capacity],
    *,
    lock: bool,
) -> list[Hint]:
    hints, holds = _price(conn, now, batch, measures, capacities, lock=lock)
    ledger.hold_all(conn, holds, now)
    return hints


def _price(
    conn: Connection,
    now: datetime,
    batch: UUID,
    measures: Sequence[Measure] | None,
    capacities: Mapping[str, Capacity],
    *,
    lock: bool,
) -> tuple[list[Hint], list[Hold]]:
    """Write the measure and cost of each message of a batch; return its hint if it is deliverable now, and its hold."""
    unpaid = batches.unpaid(conn, batch, lock=True)
    if unpaid is None:
        return [], []
    if measures is None:
        measures = measure(messages.bodies(conn, unpaid.span))
    if len(measures) != unpaid.size:
        return [], []
    # messages cancelled meanwhile are not charged
    found = [pair for pair in zip(messages.members(conn, unpaid.span), measures, strict=True) if pair[0].is_undecided]
    destinations = [(member.phone, member.country) for member, _ in found]
    charges = _charge(
        conn, now, unpaid, destinations, [each for _, each in found], _parts(conn, found, capacities), lock=lock
    )
    return paid_batches.pay(conn, now, unpaid, [member.id for member, _ in found], charges)


def _parts(conn: Connection, found: Sequence[tuple[Member, Measure]], capacities: Mapping[str, Capacity]) -> list[int]:
    """Return the number of billed segments of each message: as transmitted, unless its API counts otherwise."""
    parts = [each.segments for _, each in found]
    # APIs count otherwise for long UCS-2 texts only
    long = {
        member.id: place
        for place, (member, each) in enumerate(found)
        if each.segments > 1 and each.encoding is Encoding.UCS2
    }
    for id_, door, body in messages.came_through(conn, list(long), capacities):
        parts[long[id_]] = billed(body, found[long[id_]][1], capacities.get(door))
    return parts


def _charge(
    conn: Connection,
    now: datetime,
    unpaid: Unpaid,
    destinations: Sequence[tuple[str, str]],
    measures: Sequence[Measure],
    parts: Sequence[int],
    *,
    lock: bool,
) -> list[Charge]:
    if unpaid.test:
        return [Charge(each, 0, 0, None) for each in measures]
    book = PriceBook(ledger.prices(conn, unpaid.account, now))
    prices = [book.per_segment(*destination) for destination in destinations]
    money, quota = ledger.funds(conn, unpaid.account, ledger.month_of(unpaid.span.first), lock=lock)
    return charge(measures, parts, prices, quota=quota, money=money if lock else None)
