"""Numbers that play a part in tests."""

import pytest

from pipeline.rules import rehearsal
from schema.vocabulary import Code


@pytest.mark.parametrize(
    ("phone", "fault", "delay"),
    [
        ("+2340000000001", None, rehearsal.PROMPT),
        ("+2340000000002", Code.PHONE_INVALID, rehearsal.PROMPT),
        ("+2340000000003", None, rehearsal.LATE),
        ("+2340000000004", Code.DND_BLOCKED, rehearsal.PROMPT),
        ("+2340000000005", None, rehearsal.PROMPT),
        ("+2348012345678", None, rehearsal.PROMPT),
        ("+2348012340002", None, rehearsal.PROMPT),
        ("+233000000003", None, rehearsal.LATE),
        ("", None, rehearsal.PROMPT),
    ],
)
def test_a_number_plays_its_part(phone: str, fault: Code | None, delay: float) -> None:
    assert (rehearsal.fault(phone), rehearsal.delay(phone)) == (fault, delay)
