"""Writes rules/numbers/time_zones.csv: the possible time zones of a number, by its country and leading digits.

    pip install phonenumbers && python tests/golden/make_zones.py

From two sources: the tz database's zone.tab (public domain) for countries, and libphonenumber's time-zone map
(Apache-2.0, in the full `phonenumbers` only, not in `phonenumberslite`) for digits where a country has several zones. A
country with one zone goes by zone.tab alone: the map has Algiers in Paris' zone, which is wrong all summer.
"""

import csv
from collections import defaultdict
from pathlib import Path

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.phonemetadata import REGION_CODE_FOR_NON_GEO_ENTITY

TARGET = Path(__file__).resolve().parents[2] / "pipeline/rules/numbers/time_zones.csv"
ZONEINFO = Path("/usr/share/zoneinfo")

Zones = tuple[str, ...]


def countries() -> dict[str, Zones]:
    """Return country → its zones, from zone.tab."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in (ZONEINFO / "zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found[country].append(zone)
    return {country: tuple(sorted(zones)) for country, zones in found.items()}


def links() -> dict[str, str]:
    """Return old zone name → current name."""
    lines = (line.split() for line in (ZONEINFO / "tzdata.zi").read_text().splitlines())
    return {parts[2]: parts[1] for parts in lines if parts[0] == "L"}


def digits(known: dict[str, Zones]) -> dict[str, Zones]:
    """Return leading digits → zones, for countries with several; without rows that a shorter prefix implies."""
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
    """Return the row of the longest prefix of these digits."""
    return next((rows[prefix[:n]] for n in range(len(prefix), 0, -1) if prefix[:n] in rows), None)


def main() -> None:
    """Write the file: one line per set of zones, with its countries and prefixes."""
    known = countries()
    regions = {each for some in COUNTRY_CODE_TO_REGION_CODE.values() for each in some}
    rows = {country: zones for country, zones in known.items() if country in regions}
    rows |= digits(known)
    # regions of libphonenumber that are not in ISO 3166: AC, TA, XK
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
