"""Price look-up: the price of a segment to a destination, by an account's own price list or the common one."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.rules.routing.destinations import Destinations


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a price list."""

    destination: str
    #: minor units of the account's currency
    per_segment: int
    #: of the account's own list, which overrides the common one
    own: bool


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
