"""Writes rules/numbers/time_zones.csv: which time zones a number may be in, by its country and its leading digits.

    pip install phonenumbers && python tests/golden/make_zones.py

From two sources: the tz database's zone.tab (public domain) for countries, and libphonenumber's time-zone map
(Apache-2.0, in the full `phonenumbers` only, not in `phonenumberslite`) for digits where a country has several zones. A
country with one zone goes by zone.tab alone: the map has Algiers in Paris' zone, which is wrong all summer.
"""

import csv
from collections import defaultdict
from pathlib import Path

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.phonenumberutil import REGION_CODE_FOR_NON_GEO_ENTITY

TARGET = Path(__file__).resolve().parents[2] / "pipeline/rules/numbers/time_zones.csv"
ZONEINFO = Path("/usr/share/zoneinfo")

Zones = tuple[str, ...]


def countries() -> dict[str, Zones]:
    """Return country → its zones, by zone.tab."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in (ZONEINFO / "zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found[country].append(zone)
    return {country: tuple(sorted(zones)) for country, zones in found.items()}


def links() -> dict[str, str]:
    """Return old name → the name that took its place."""
    lines = (line.split() for line in (ZONEINFO / "tzdata.zi").read_text().splitlines())
    return {parts[2]: parts[1] for parts in lines if parts[0] == "L"}


def digits(known: dict[str, Zones]) -> dict[str, Zones]:
    """Return leading digits → zones where the country does not say it all, without what a shorter row says too."""
    from phonenumbers.tzdata import TIMEZONE_DATA

    names, renamed = {zone for zones in known.values() for zone in zones}, links()
    rows = {
        prefix: tuple(sorted({zone if zone in names else renamed.get(zone, zone) for zone in zones}))
        for prefix, zones in TIMEZONE_DATA.items()
    }
    open_codes = tuple(
        str(code)
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
        if len(regions) > 1 or len(known.get(regions[0], ())) != 1
    )
    return {
        prefix: zones
        for prefix, zones in rows.items()
        if prefix.startswith(open_codes) and zones != longest(rows, prefix[:-1])
    }


def longest(rows: dict[str, Zones], prefix: str) -> Zones | None:
    """Return the row of the longest beginning of these digits."""
    return next((rows[prefix[:n]] for n in range(len(prefix), 0, -1) if prefix[:n] in rows), None)


def main() -> None:
    """Write the file: one line for each set of zones, with the countries and the digits that are in it."""
    known = countries()
    regions = {each for some in COUNTRY_CODE_TO_REGION_CODE.values() for each in some}
    rows = {country: zones for country, zones in known.items() if country in regions}
    rows |= digits(known)
    # countries of libphonenumber that ISO 3166 does not know: AC, TA, XK
    for code, some in COUNTRY_CODE_TO_REGION_CODE.items():
        for region in set(some) - set(rows) - {REGION_CODE_FOR_NON_GEO_ENTITY}:
            rows[region] = longest(rows, str(code)) or rows[some[0]]
    groups: defaultdict[Zones, list[str]] = defaultdict(list)
    for place, zones in sorted(rows.items()):
        groups[zones].append(place)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["zones", "places"])
        lines.writerows([" ".join(zones), " ".join(places)] for zones, places in sorted(groups.items()))


if __name__ == "__main__":
    main()
