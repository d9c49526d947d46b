"""Vendors' scalars: texts, numbers, booleans, times, and their encodings."""

import codecs
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pipeline.carriers.vendors import scalar_parsers

MOMENT = datetime(2023, 11, 14, 22, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "spelt",
    [
        1_700_000_000 - 20,
        "1699999980",
        1_699_999_980_000,
        "1699999980000",
        1699999980.0,
        "1699999980.0",
        1_699_999_980_000_000,
        "1699999980000000000",
        "14/11/2023 22:13",
        "14/11/2023 22:13:00",
        "14.11.2023 22:13",
        "14-11-2023 22:13",
        "11/14/2023 22:13",
        "11/14/2023 10:13 PM",
        "2023/11/14 22:13:00",
        "2023-11-14 22:13",
        "2023-11-14T22:13:00Z",
        "2023-11-14T22:13:00.0000000Z",
        "2023-11-14 22:13:00 UTC",
        "2023-11-14T23:13:00+01:00",
        "2023-11-14T23:13:00.000+0100",
        "2311142213",
        "231114221300",
        "202311142213",
        "20231114221300",
        "Tue, 14 Nov 2023 22:13:00 GMT",
        " 2023-11-14 22:13:00 ",
        "14-Nov-2023 22:13:00",
        "Nov 14, 2023 10:13:00 PM",
        "2023-11-14 10:13:00 PM",
        "2023-11-15 00:13:00.000 +02:00",
        "2023-11-14t22:13:00z",
        "20231114221300000",
        "/Date(1699999980000)/",
    ],
)
def test_a_time_is_read_in_each_format_that_vendors_use(spelt: Any) -> None:
    assert scalar_parsers.moment(spelt) == MOMENT


@pytest.mark.parametrize(
    ("spelt", "format_"),
    [
        ("11/12/2023 22:13", "%m/%d/%Y %H:%M"),
        ("12.11.23 22:13", "%d.%m.%y %H:%M"),
        ("1699827180", "epoch"),
        (1_699_827_180_000, "epoch"),
        ("2023-11-12T22:13:00Z", "%d.%m.%Y"),
    ],
)
def test_a_time_is_read_by_its_configured_format_or_else_in_any_usual_format(spelt: Any, format_: str) -> None:
    assert scalar_parsers.moment(spelt, format_) == datetime(2023, 11, 12, 22, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "spelt",
    [None, "", "soon", True, False, {}, [], 7, "7", "32/13/2023 22:13", "99999999999", 1e300, "0", float("nan")],
)
def test_a_value_that_is_not_a_time_becomes_none(spelt: Any) -> None:
    assert scalar_parsers.moment(spelt) is None


NOT_WHOLE: list[object] = [None, "", "x", True, False, 1.5, "1.5", {}, [], "1e3", "9" * 40]
NOT_A_TRUTH: list[object] = [None, "", "maybe", 2, {}, []]
NOT_AN_AMOUNT: list[object] = [None, "", "EUR", "nan", "inf", True, {}, "1,2,3"]


@pytest.mark.parametrize(
    ("given", "found"),
    [(0, 0), ("0", 0), ("101", 101), (101.0, 101), ("101.0", 101), (" 3 ", 3), ("-1", -1)]
    + [(odd, None) for odd in NOT_WHOLE],
)
def test_a_whole_number_is_read_from_a_number_and_from_text(given: Any, found: int | None) -> None:
    assert scalar_parsers.integer(given) == found


@pytest.mark.parametrize(
    ("given", "found"),
    [(True, True), ("true", True), ("True", True), (1, True), ("1", True), ("yes", True)]
    + [(odd, False) for odd in (False, "false", "FALSE", 0, "0", "no")]
    + [(odd, None) for odd in NOT_A_TRUTH],
)
def test_a_boolean_is_read_from_a_boolean_a_number_and_a_text(given: Any, found: bool | None) -> None:
    assert scalar_parsers.boolean(given) is found


@pytest.mark.parametrize(
    ("given", "found"),
    [("a", "a"), (7, "7"), (0, "0"), (7.0, "7"), (True, "true"), (" x ", "x"), ("", None), (None, None)],
)
def test_a_word_is_read_from_text_a_number_and_a_boolean(given: Any, found: str | None) -> None:
    assert scalar_parsers.word(given, "status") == found


@pytest.mark.parametrize(
    ("spelt", "found"),
    [
        (10, "10"),
        (10.25, "10.25"),
        ("10.25", "10.25"),
        ("-3", "-3"),
        ("1,234.50", "1234.50"),
        ("1,234,567", "1234567"),
        ("1.234,50", "1234.50"),
        ("1 234,5", "1234.5"),
        ("0,75", "0.75"),
    ]
    + [(odd, None) for odd in NOT_AN_AMOUNT],
)
def test_an_amount_is_read_with_and_without_thousands_separators(spelt: Any, found: str | None) -> None:
    assert scalar_parsers.amount(spelt) == (None if found is None else Decimal(found))


@pytest.mark.parametrize("given", ["x" * 129, "a\0b", "né", ["x"], {"x": 1}])
def test_a_value_that_is_not_a_short_text_is_no_label_and_refused_as_a_word(given: Any) -> None:
    assert scalar_parsers.label(given) is None
    with pytest.raises(ValueError, match="status"):
        scalar_parsers.word(given, "status")


TEXT = '{"text": "Grüße"}'


@pytest.mark.parametrize(
    "octets",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("latin-1"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-32"),
        b" \r\n" + TEXT.encode(),
    ],
)
def test_json_is_read_in_each_character_encoding(octets: bytes) -> None:
    assert scalar_parsers.parsed(octets) == {"text": "Grüße"}


def test_json_with_an_unescaped_line_break_in_a_string_is_read() -> None:
    assert scalar_parsers.parsed(b'{"text": "a\nb"}') == {"text": "a\nb"}
