"""Price look-up and billing: what a message costs, paid from the month's quota first, then the wallet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.rules.routing.destinations import Destinations
from schema.message import Charge, Measure
from schema.vocabulary import Code


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a price list."""

    destination: str
    #: minor units of the account's currency
    per_segment: int
    #: of the account's own list, which overrides the common one
    own: bool


@dataclass(frozen=True, slots=True)
class PaidBy:
    """How one message is paid: an amount of money, or segments of quota; neither: not covered."""

    amount: int
    quota: int
    covered: bool


class PriceBook:
    """The prices one account pays."""

    def __init__(self, prices: Iterable[Price]) -> None:
        """Index the price lines in force, the account's own and the common ones."""
        lines = list(prices)
        self._own = Destinations((line.destination, line.per_segment) for line in lines if line.own)
        self._common = Destinations((line.destination, line.per_segment) for line in lines if not line.own)

    def per_segment(self, phone: str, country: str) -> int | None:
        """Return minor units per segment by the longest matching destination, or None where there is no price."""
        found = self._own(phone, country) or self._common(phone, country)
        return found[0][0] if found else None


#: wallet and quota do not cover it
UNCOVERED = PaidBy(0, 0, False)


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


def charge(
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
