"""Time zones of numbers: by country, by prefix where it has several; the same as in libphonenumber's map."""

import phonenumbers
import pytest

from pipeline.rules.numbers.time_zones import NOWHERE, zones_of

KNOWN = {
    "one zone": ("+2348031234567", "NG", {"Africa/Lagos"}),
    "one zone that keeps no summer time": ("+213551234567", "DZ", {"Africa/Algiers"}),
    "by area code": ("+12125550123", "US", {"America/New_York"}),
    "another country of the same calling code": ("+14165550123", "CA", {"America/Toronto"}),
    "mobiles by their first digits": ("+5592987654321", "BR", {"America/Manaus"}),
    "an island of its own": ("+34922123456", "ES", {"Atlantic/Canary"}),
    "the order says that the phone is elsewhere": ("+2348031234567", "GH", {"Africa/Accra"}),
    "elsewhere in several zones": ("+2348031234567", "PT", {"Europe/Lisbon", "Atlantic/Madeira", "Atlantic/Azores"}),
    "a country that ISO does not know": ("+38344123456", "XK", {"Europe/Belgrade"}),
    "no country's": ("+80012345678", "", {"UTC"}),
    "nobody's": ("+999", "", {"UTC"}),
}

WHOLE = {country: {zone.key for zone in zones_of("+0", country)} for country in ("BR", "MX", "AU", "RU", "ID")}


@pytest.mark.parametrize(("phone", "country", "names"), KNOWN.values(), ids=KNOWN)
def test_a_number_has_the_time_zones_of_its_prefix_or_country(phone: str, country: str, names: set[str]) -> None:
    assert {zone.key for zone in zones_of(phone, country)} == names


def test_a_number_with_an_unknown_area_code_has_all_time_zones_of_its_country() -> None:
    names = {zone.key for zone in zones_of("+15551234567", "US")}

    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= names
    assert "America/Barbados" not in names


def test_every_country_of_the_library_has_a_time_zone_known_to_this_machine() -> None:
    regions = {each for some in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.values() for each in some} - {"001"}

    assert [region for region in sorted(regions) if zones_of("+0", region) == (NOWHERE,)] == []


def test_in_countries_with_several_time_zones_a_prefix_has_the_zones_of_the_library() -> None:
    tzdata = pytest.importorskip("phonenumbers.tzdata", reason="the full phonenumbers has it")
    countries = {"55": "BR", "52": "MX", "61": "AU", "7": "RU", "62": "ID"}

    for prefix, names in tzdata.TIMEZONE_DATA.items():
        country = next((countries[prefix[:n]] for n in (1, 2) if prefix[:n] in countries), None)
        if country and prefix not in countries:
            found = {zone.key for zone in zones_of(f"+{prefix}", country)}
            # names of countries that share the code are left out, and those of zones that were renamed
            assert found <= set(names) or not set(names) & WHOLE[country], prefix
