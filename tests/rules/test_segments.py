"""Segments: their number, and where a body is split."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.rules.text import gsm7
from pipeline.rules.text.segments import STANDARD, Capacity, measure, split
from schema.message import Measure
from schema.vocabulary import Encoding

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "segments.json").read_text(encoding="utf-8"))
GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2
#: some vendors bill this
SIXTY_THREE = Capacity(ucs2_part=63)

unhurried = settings(deadline=None, max_examples=400)
capacities = st.sampled_from([STANDARD, SIXTY_THREE, Capacity(8, 5, 6, 3), Capacity(2, 2, 2, 2)])
letters = st.one_of(
    st.sampled_from("ab c\r\n@è€[]^~\f"),
    st.sampled_from("abЖ漢😀𐍈\ud83d\ude00"),
    st.characters(),
)
bodies = st.one_of(
    st.text(letters, max_size=500),
    st.text(st.sampled_from("ab€["), max_size=700),
    st.text(st.sampled_from("aЖ😀"), max_size=400),
)


def test_every_golden_body_has_the_encoding_and_segments_that_twilio_counts() -> None:
    cases = GOLDEN["cases"]

    measures = measure(body for body, _, _ in cases)

    expected = [Measure(Encoding(encoding), segments) for _, encoding, segments in cases]
    wrong = [(*case, found) for case, found, wanted in zip(cases, measures, expected, strict=True) if found != wanted]
    assert not wrong[:5]
    assert len(cases) > 1000


def test_every_golden_body_is_split_into_as_many_parts_as_segments_were_counted() -> None:
    for body, _, segments in GOLDEN["cases"]:
        parts = split(body)

        assert len(parts) == segments
        assert "".join(parts) == body


@pytest.mark.parametrize(
    ("body", "encoding", "segments"),
    [
        ("", GSM7, 1),
        ("a" * 160, GSM7, 1),
        ("a" * 161, GSM7, 2),
        ("a" * 306, GSM7, 2),
        ("a" * 307, GSM7, 3),
        ("a" * 1600, GSM7, 11),
        ("€" * 80, GSM7, 1),
        ("€" * 81, GSM7, 2),
        ("a" * 158 + "€", GSM7, 1),
        ("a" * 159 + "€", GSM7, 2),
        ("a" * 151 + "€" + "a" * 153, GSM7, 2),
        ("a" * 152 + "€" + "a" * 152, GSM7, 3),
        ("a" * 152 + "€" + "a" * 151, GSM7, 2),
        ("€" * 153, GSM7, 3),
        ("\r\n" * 80, GSM7, 1),
        ("\r\n" * 81, GSM7, 2),
        ("ж" * 70, UCS2, 1),
        ("ж" * 71, UCS2, 2),
        ("ж" * 134, UCS2, 2),
        ("ж" * 135, UCS2, 3),
        ("€" * 69 + "ж", UCS2, 1),
        ("😀" * 35, UCS2, 1),
        ("😀" * 36, UCS2, 2),
        ("😀" * 66, UCS2, 2),
        ("😀" * 67, UCS2, 3),
        ("ж" * 65 + "😀" + "ж" * 67, UCS2, 2),
        ("ж" * 66 + "😀" + "ж" * 66, UCS2, 3),
        ("ж" * 66 + "😀" + "ж" * 65, UCS2, 2),
        ("`" * 71, UCS2, 2),
        ("a" * 1599 + "—", UCS2, 24),
    ],
)
def test_segments_are_counted_exactly_at_the_limits_of_a_segment(body: str, encoding: Encoding, segments: int) -> None:
    assert measure([body]) == [Measure(encoding, segments)]
    assert len(split(body)) == segments


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("", [""]),
        ("a" * 152 + "€" + "b" * 160, ["a" * 152, "€" + "b" * 151, "b" * 9]),
        ("a" * 151 + "€" + "b" * 160, ["a" * 151 + "€", "b" * 153, "b" * 7]),
        ("ж" * 66 + "😀" + "я" * 70, ["ж" * 66, "😀" + "я" * 65, "я" * 5]),
        ("ж" * 65 + "😀" + "я" * 70, ["ж" * 65 + "😀", "я" * 67, "я" * 3]),
    ],
)
def test_an_escape_sequence_or_surrogate_pair_is_not_split_between_parts(body: str, parts: list[str]) -> None:
    assert split(body) == parts


@pytest.mark.parametrize(
    ("body", "segments"),
    [("ж" * 70, 1), ("ж" * 71, 2), ("ж" * 126, 2), ("ж" * 127, 3), ("ж" * 62 + "😀" + "ж" * 62, 3), ("a" * 161, 2)],
)
def test_segments_are_counted_by_the_capacity_of_a_vendor_that_bills_63_units_a_part(body: str, segments: int) -> None:
    assert [m.segments for m in measure([body], SIXTY_THREE)] == [segments]
    assert len(split(body, SIXTY_THREE)) == segments


@pytest.mark.parametrize(
    ("body", "units"),
    [
        ("\ud800", 1),
        ("\udc00 ", 2),
        ("\udc00\ud800 ", 3),
        ("hi \ud83d", 4),
        ("\ud83d\ude00abc", 5),
        ("ab\ud83d😀\ude00", 6),
    ],
)
def test_a_lone_surrogate_counts_one_unit_and_is_kept(body: str, units: int) -> None:
    filler = "ж" * (70 - units)

    assert measure([filler + body, filler + body + "ж"]) == [Measure(UCS2, 1), Measure(UCS2, 2)]
    assert "".join(split(body * 100)) == body * 100


def test_measures_are_in_the_order_of_the_bodies() -> None:
    assert measure(iter(["a", "ж", "a" * 161, ""])) == [
        Measure(GSM7, 1),
        Measure(UCS2, 1),
        Measure(GSM7, 2),
        Measure(GSM7, 1),
    ]
    assert measure([]) == []


@pytest.mark.parametrize("numbers", [(160, 1, 70, 67), (160, 153, 70, 1), (160, 161, 70, 67), (160, 153, 66, 67)])
def test_a_capacity_with_parts_below_two_units_or_above_a_single_message_is_refused(
    numbers: tuple[int, int, int, int],
) -> None:
    with pytest.raises(ValueError, match="must hold from 2"):
        Capacity(*numbers)


@given(bodies, capacities)
@example("\ud83d\ude00" * 100, STANDARD)
@unhurried
def test_parts_join_to_the_body_and_are_as_many_as_the_segments_counted(body: str, capacity: Capacity) -> None:
    parts = split(body, capacity)

    assert "".join(parts) == body
    assert [m.segments for m in measure([body], capacity)] == [len(parts)]
    assert all(parts) or body == ""


@given(bodies, capacities)
@unhurried
def test_no_part_exceeds_its_capacity_and_each_is_filled_as_far_as_possible(body: str, capacity: Capacity) -> None:
    encoding = measure([body], capacity)[0].encoding
    weights = [_weight(part, encoding) for part in split(body, capacity)]
    single, part = _limits(encoding, capacity)

    if len(weights) == 1:
        assert weights[0] <= single
        return
    assert sum(weights) > single
    assert max(weights) <= part
    for weight, after in zip(weights, split(body, capacity)[1:], strict=False):
        assert weight + _weight(after[0], encoding) > part


@given(bodies)
@unhurried
def test_gsm_7_is_chosen_exactly_when_all_characters_are_in_it(body: str) -> None:
    assert (measure([body])[0].encoding is GSM7) == (gsm7.foreign(body) == "")


def _weight(text: str, encoding: Encoding) -> int:
    if encoding is GSM7:
        return sum(2 if char in gsm7.EXTENSION.values() else 1 for char in text)
    return sum(2 if char > "\uffff" else 1 for char in text)


def _limits(encoding: Encoding, capacity: Capacity) -> tuple[int, int]:
    if encoding is GSM7:
        return capacity.gsm7_single, capacity.gsm7_part
    return capacity.ucs2_single, capacity.ucs2_part
