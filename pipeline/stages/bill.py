"""Bill: price each message of a batch, set its money or quota aside, and send the batch on its way."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.errors import ShortOfFunds
from pipeline.rules.prices import UNCOVERED, Cover, PriceBook, cover
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, ledger, messages
from pipeline.store.batches import Unpaid
from pipeline.store.messages import Charge
from schema.message import Hint, Measure
from schema.vocabulary import Code


def bill(rt: Runtime, batch: UUID, measures: Sequence[Measure], *, suspect: bool = False) -> list[Hint]:
    """Price an admitted batch whose messages measure so (by message id); return it when it may be delivered now.

    A message that nobody pays for is rejected, its neighbours are not. Run again it changes nothing. Wallets are
    debited last and without a look beforehand, so that they are locked for a moment only; when the money does not
    suffice for all, it is done over with the wallet locked, message by message. A suspect batch has been here before
    and may have killed its worker: its tries are counted.
    """
    if suspect:
        with rt.begin() as conn:
            batches.count_try(conn, batch)
    try:
        with rt.begin() as conn:
            return _bill(conn, batch, measures, lock=False)
    except ShortOfFunds:
        with rt.begin() as conn:
            return _bill(conn, batch, measures, lock=True)


def _bill(conn: Connection, batch: UUID, measures: Sequence[Measure], *, lock: bool) -> list[Hint]:
    unpaid = batches.unpaid(conn, batch, lock=True)
    if unpaid is None or len(measures) != unpaid.size:
        return []
    # who was cancelled meanwhile is not paid for any more
    found = [pair for pair in zip(messages.members(conn, unpaid.span), measures, strict=True) if pair[0].is_undecided]
    destinations = [(member.phone, member.country) for member, _ in found]
    charges = _charge(conn, unpaid, destinations, [measure for _, measure in found], lock=lock)
    messages.charge(conn, [member.id for member, _ in found], charges)
    hints = batches.paid(conn, batch)
    amount, quota = sum(each.amount for each in charges), sum(each.quota for each in charges)
    if amount or quota:
        ledger.hold(conn, unpaid.account, batch, ledger.month_of(unpaid.span.first), amount, quota)
    return hints


def _charge(
    conn: Connection,
    unpaid: Unpaid,
    destinations: Sequence[tuple[str, str]],
    measures: Sequence[Measure],
    *,
    lock: bool,
) -> list[Charge]:
    if unpaid.test:
        return [Charge(each, 0, 0, None) for each in measures]
    book = PriceBook(ledger.prices(conn, unpaid.account))
    prices = [book.per_segment(*destination) for destination in destinations]
    money, quota = ledger.funds(conn, unpaid.account, ledger.month_of(unpaid.span.first), lock=lock)
    priced = [(price, each) for price, each in zip(prices, measures, strict=True) if price is not None]
    covers = iter(
        cover(
            [price * each.segments for price, each in priced],
            [each.segments for _, each in priced],
            quota=quota,
            money=money if lock else None,
        )
    )
    return [
        _charged(each, price, UNCOVERED if price is None else next(covers))
        for price, each in zip(prices, measures, strict=True)
    ]


def _charged(measure: Measure, price: int | None, paid: Cover) -> Charge:
    if paid.covered:
        return Charge(measure, paid.amount, paid.quota, None)
    return Charge(measure, 0, 0, Code.NO_PRICE if price is None else Code.INSUFFICIENT_FUNDS)
