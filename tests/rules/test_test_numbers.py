"""Test numbers, which determine a test message's outcome."""

import pytest

from pipeline.rules.numbers import test_numbers
from schema.vocabulary import Code


@pytest.mark.parametrize(
    ("phone", "fault", "delay"),
    [
        ("+2340000000001", None, test_numbers.PROMPT),
        ("+2340000000002", Code.PHONE_INVALID, test_numbers.PROMPT),
        ("+2340000000003", None, test_numbers.LATE),
        ("+2340000000004", Code.DND_BLOCKED, test_numbers.PROMPT),
        ("+2340000000005", None, test_numbers.PROMPT),
        ("+2348012345678", None, test_numbers.PROMPT),
        ("+2348012340002", None, test_numbers.PROMPT),
        ("+233000000003", None, test_numbers.LATE),
        ("", None, test_numbers.PROMPT),
    ],
)
def test_a_number_plays_its_part(phone: str, fault: Code | None, delay: float) -> None:
    assert (test_numbers.fault(phone), test_numbers.delay(phone)) == (fault, delay)
