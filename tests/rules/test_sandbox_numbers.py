"""Test numbers, which determine a test message's outcome."""

import pytest

from pipeline.rules.numbers import sandbox_numbers
from schema.vocabulary import Code


@pytest.mark.parametrize(
    ("phone", "fault", "delay"),
    [
        ("+2340000000001", None, sandbox_numbers.PROMPT),
        ("+2340000000002", Code.PHONE_INVALID, sandbox_numbers.PROMPT),
        ("+2340000000003", None, sandbox_numbers.LATE),
        ("+2340000000004", Code.DND_BLOCKED, sandbox_numbers.PROMPT),
        ("+2340000000005", None, sandbox_numbers.PROMPT),
        ("+2348012345678", None, sandbox_numbers.PROMPT),
        ("+2348012340002", None, sandbox_numbers.PROMPT),
        ("+233000000003", None, sandbox_numbers.LATE),
        ("", None, sandbox_numbers.PROMPT),
    ],
)
def test_a_test_number_determines_the_fault_and_the_delay_of_its_message(
    phone: str, fault: Code | None, delay: float
) -> None:
    assert (sandbox_numbers.fault(phone), sandbox_numbers.delay(phone)) == (fault, delay)
