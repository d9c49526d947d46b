"""Pricing: what each message of a batch costs, and what pays for it: the quota of the month first, then the wallet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.rules.batching import PackedBatch
from pipeline.rules.identity import ids
from pipeline.rules.money.price_lists import Price, PriceBook
from pipeline.rules.text.segments import Capacity, billed, measure
from schema.message import Charge, Measure
from schema.vocabulary import Code

#: an account, and the first day of the month whose quota pays
Payer = tuple[int, date]


@dataclass(frozen=True, slots=True)
class PaidBy:
    """How one message is paid: an amount of money, or segments of quota; neither: not covered."""

    amount: int
    quota: int
    covered: bool


#: wallet and quota do not cover it
UNCOVERED = PaidBy(0, 0, False)
_NO_PRICES = PriceBook([])


class Pricing:
    """Prices batch after batch from price lists and funds as they were read: what one batch uses, the next has not."""

    def __init__(
        self,
        prices: Mapping[int, Iterable[Price]],
        quotas: Mapping[Payer, int],
        money: Mapping[int, int] | None = None,
    ) -> None:
        """Take by account the prices in force and the money left in minor units, and by payer the segments of quota.

        `money` None: not known, and taken to suffice.
        """
        self._books = {account: PriceBook(lines) for account, lines in prices.items()}
        self._quotas = dict(quotas)
        self._money = None if money is None else dict(money)

    def charge(
        self, payer: Payer, destinations: Iterable[tuple[str, str]], measures: Sequence[Measure], parts: Sequence[int]
    ) -> list[Charge]:
        """Return the charge or refusal of each message of a batch, in order.

        `destinations`: phone number and country of each message; `parts`: as how many segments each is billed.
        """
        account, _ = payer
        book = self._books.get(account, _NO_PRICES)
        quota, money = self._quotas.get(payer, 0), None if self._money is None else self._money.get(account, 0)
        prices = [book.per_segment(*destination) for destination in destinations]
        charges = _charge(measures, parts, prices, quota=quota, money=money)
        self._quotas[payer] = quota - sum(each.quota for each in charges)
        if self._money is not None and money is not None:
            self._money[account] = money - sum(each.amount for each in charges)
        return charges


def charge_all(
    pricing: Pricing, loads: Iterable[PackedBatch], capacities: Mapping[str, Capacity]
) -> list[list[Charge]]:
    """Measure and price new batches, one after the other; return the charge of each message, by batch.

    `capacities`: segment lengths of APIs that bill by other ones than are sent, by name space of requests.
    """
    return [_charge_batch(pricing, load, capacities) for load in loads]


def _charge_batch(pricing: Pricing, load: PackedBatch, capacities: Mapping[str, Capacity]) -> list[Charge]:
    drafts = [draft for _, draft in load.members]
    measures = measure(draft.body for draft in drafts)
    if load.batch.test:
        return free(measures)
    parts = [
        billed(draft.body, each, capacities.get(admission.door or ""))
        for (admission, draft), each in zip(load.members, measures, strict=True)
    ]
    return pricing.charge(payer(load), ((each.phone, each.country) for each in drafts), measures, parts)


def payer(load: PackedBatch) -> Payer:
    """Return who pays for a new batch."""
    return load.batch.account, ids.month(load.batch.first)


def free(measures: Iterable[Measure]) -> list[Charge]:
    """Return the charges of test messages: nothing."""
    return [Charge(each, 0, 0, None) for each in measures]


def cover(amounts: Sequence[int], segments: Sequence[int], *, quota: int, money: int | None) -> list[PaidBy]:
    """Return how each message is paid, in order, from `quota` segments and `money` minor units.

    The quota pays a whole message or nothing of it. `money` None: unlimited.
    """
    covers = []
    for amount, count in zip(amounts, segments, strict=True):
        if quota >= count:
            quota -= count
            covers.append(PaidBy(0, count, True))
        elif money is None or money >= amount:
            money = None if money is None else money - amount
            covers.append(PaidBy(amount, 0, True))
        else:
            covers.append(UNCOVERED)
    return covers


def _charge(
    measures: Sequence[Measure], parts: Sequence[int], prices: Sequence[int | None], *, quota: int, money: int | None
) -> list[Charge]:
    """Return the charge of each message, in order: segments times price (None: no price), covered or refused."""
    priced = [(price, count) for price, count in zip(prices, parts, strict=True) if price is not None]
    covers = iter(
        cover([price * count for price, count in priced], [count for _, count in priced], quota=quota, money=money)
    )
    return [
        _charged(each, price, UNCOVERED if price is None else next(covers))
        for price, each in zip(prices, measures, strict=True)
    ]


def _charged(measure: Measure, price: int | None, paid: PaidBy) -> Charge:
    if paid.covered:
        return Charge(measure, paid.amount, paid.quota, None)
    return Charge(measure, 0, 0, Code.NO_PRICE if price is None else Code.INSUFFICIENT_FUNDS)
