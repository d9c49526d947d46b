"""Time zones of phone numbers: by country, and by prefix where a country has several.

The table, zones.csv, is made by tests/golden/make_zones.py from the tz database and libphonenumber.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

#: used where the zone is unknown
NOWHERE = ZoneInfo("UTC")

Zones = tuple[ZoneInfo, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    countries: Mapping[str, Zones]
    #: number prefix, without the plus
    digits: Mapping[str, Zones]
    longest: int


def zones_of(phone: str, country: str) -> Zones:
    """Return the zones that a number (E.164) in a country (ISO, or "") may be in; UTC where unknown."""
    return _zones_of(phone[1 : _table().longest + 1], country)


@lru_cache(maxsize=65_536)
def _zones_of(digits: str, country: str) -> Zones:
    table = _table()
    whole = table.countries.get(country, ())
    if len(whole) == 1 or (country and not digits.startswith(_codes(country))):
        return whole or (NOWHERE,)
    rows = (table.digits.get(digits[:length]) for length in range(len(digits), 0, -1))
    row = next(filter(None, rows), whole)
    # a short prefix covers all countries that share a calling code
    return tuple(zone for zone in row if zone in whole) or row or (NOWHERE,)


@cache
def _codes(country: str) -> tuple[str, ...]:
    return tuple(str(code) for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if country in regions)


@cache
def _table() -> _Table:
    text = resources.files("pipeline.rules.numbers").joinpath("time_zones.csv").read_text(encoding="utf-8")
    countries: dict[str, Zones] = {}
    digits: dict[str, Zones] = {}
    for row in csv.DictReader(text.splitlines()):
        zones = tuple(zone for name in row["zones"].split() if (zone := zone_named(name)))
        for place in row["places"].split():
            (digits if place.isdigit() else countries)[place] = zones
    return _Table(countries, digits, max(map(len, digits)))


def zone_named(name: str) -> ZoneInfo | None:
    """Return a zone, or None where this system's tz database lacks the name."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return None
