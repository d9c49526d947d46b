from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.carriers.vendors import posted_receipts
from tests.carriers.vendors.exchanges import posted

TREE = {"a": [{"b": 1}, {"b": None}], "0": "zero"}


@pytest.mark.parametrize(
    ("path", "found"),
    [("a.0.b", 1), ("a.1.b", None), ("a.2.b", None), ("a.b", None), ("0", "zero"), ("", None), ("a.-1", None)],
)
def test_a_dotted_path_finds_a_json_value_or_none(path: str, found: Any) -> None:
    assert posted_receipts.at(TREE, path) == found


@pytest.mark.parametrize(
    ("spelt", "number"),
    [
        ("447700900000", "+447700900000"),
        ("+447700900000", "+447700900000"),
        (" 447700900000", "+447700900000"),
        ("12345", "12345"),
        ("ACME", "ACME"),
    ],
)
def test_a_phone_number_gets_its_plus_and_a_short_code_gets_none(spelt: str, number: str) -> None:
    assert posted_receipts.number(spelt, "from", {}) == number


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a\0b", "né", ["x"]])
def test_a_number_field_that_is_not_a_short_text_is_refused_by_its_name(given: Any) -> None:
    with pytest.raises(ValueError, match="from"):
        posted_receipts.number(given, "from", {})


@pytest.mark.parametrize(
    ("spelt", "moment"),
    [
        ("2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T10:00:00.000+0100", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ("2026-11-21 10:00:00", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("9999-12-31T23:59:59-12:00", None),
        ("yesterday", None),
        ("", None),
        (7, None),
        (True, None),
    ],
)
def test_a_time_that_is_invalid_or_out_of_range_becomes_none(spelt: Any, moment: datetime | None) -> None:
    assert posted_receipts.moment(spelt) == moment


def test_a_form_with_too_many_fields_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        posted_receipts.fields(posted(b"&".join(b"a=1" for _ in range(posted_receipts.MOST_FIELDS + 1))))


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b"\xff", b""])
def test_a_body_that_is_not_json_is_parsed_as_none(body: bytes) -> None:
    assert posted_receipts.parsed(body) is None
