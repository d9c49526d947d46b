"""Duplicates of inbound messages that arrive together."""

import pytest

from pipeline.rules.text.inbound_duplicates import doubtful
from schema.carriage import Inbound

PHONE, OTHER = "+2348012345678", "+2348012345679"


def text(key: str, phone: str = PHONE, part_ref: int | None = None, *, is_doubtful: bool = True) -> Inbound:
    return Inbound("alpha", key, phone, "12345", "STOP", None, part_ref=part_ref, is_doubtful=is_doubtful)


#: messages in order of arrival → place → whether the table is asked
CASES: dict[str, tuple[list[Inbound], dict[int, bool]]] = {
    "one of a sure key": ([text("a", is_doubtful=False)], {0: False}),
    "the first doubtful one is compared with stored ones": ([text("a/1")], {0: True}),
    "a repetition is left out": ([text("a/1"), text("a/2")], {0: True}),
    "another text between makes it a new message": (
        [text("a/1"), text("b/1"), text("a/2")],
        {0: True, 1: False, 2: False},
    ),
    "another phone's is no repetition": ([text("a/1"), text("a/2", OTHER)], {0: True, 1: True}),
    "a part is compared with stored ones, as others come between": (
        [text("a/1", part_ref=1), text("b/1", part_ref=1)],
        {0: True, 1: True},
    ),
    "a sure key is never a repetition": ([text("a/1"), text("a/2", is_doubtful=False)], {0: True, 1: False}),
}


@pytest.mark.parametrize(("messages", "places"), CASES.values(), ids=CASES)
def test_an_mo_message_is_a_possible_duplicate_of_an_equal_message_before_it(
    messages: list[Inbound], places: dict[int, bool]
) -> None:
    assert doubtful(messages) == places
