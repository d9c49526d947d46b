"""Reassembly of multipart inbound messages: octets are joined first and decoded second."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.text import gsm7
from pipeline.rules.text.inbound_parts import BELIEVED, MISSING, KeptPart, join
from pipeline.rules.text.text_codings import GSM7, UCS2

NOW = datetime(2026, 11, 22, 4, 31, 5, tzinfo=UTC)

_numbers = itertools.count(1)


def part(
    n: int, octets: bytes, at: float = 0, of: int = 2, coding: str = UCS2, late: bool = False, **more: Any
) -> KeptPart:
    fields: dict[str, Any] = {"carrier": "alpha", "phone": "+2348012345678", "sender": "60555", "part_ref": 7} | more
    return KeptPart(
        id=UUID(int=next(_numbers)),
        body=f"<{n}>", part=n, of=of, octets=octets, coding=coding, at=None,
        received_at=NOW + timedelta(seconds=at), is_late=late, **fields,
    )  # fmt: skip


def bodies(*kept: KeptPart) -> list[str]:
    return [text.body for text in join(kept)]


def in_parts(octets: bytes, size: int, **fields: Any) -> list[KeptPart]:
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    return [part(n, piece, of=len(pieces), at=n / 10, **fields) for n, piece in enumerate(pieces, start=1)]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_surrogate_pair_split_between_message_parts_is_rejoined(size: int) -> None:
    assert bodies(*in_parts("a👍🏽b".encode(UCS2), size)) == ["a👍🏽b"]


def test_a_gsm_7_escape_sequence_split_between_message_parts_is_rejoined() -> None:
    assert bodies(*in_parts(gsm7.encode("1{2}€"), 2, coding=GSM7)) == ["1{2}€"]


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=3))
def test_message_parts_out_of_order_and_duplicated_make_one_message(order: list[int], again: list[int]) -> None:
    parts = in_parts("one 👍 two".encode(UCS2), 5)
    came = [parts[place] for place in [*order, *again]]

    texts = join(
        replace(each, id=UUID(int=place), received_at=NOW + timedelta(seconds=place)) for place, each in enumerate(came)
    )

    assert [text.body for text in texts] == ["one 👍 two"]
    assert len(texts[0].parts) == len(came)


def test_a_reused_concatenation_reference_begins_another_message() -> None:
    first, second = in_parts("STOP".encode(UCS2), 4), in_parts("Ciao".encode(UCS2), 4)

    assert bodies(*first, *second) == ["STOP", "Ciao"]


def test_an_incomplete_old_message_does_not_take_the_parts_of_a_newer_one() -> None:
    lost, *_ = in_parts("Hello".encode(UCS2), 6)
    first = part(1, "ST".encode(UCS2), at=120)
    second = part(2, "OP".encode(UCS2), at=121)

    assert bodies(lost, first, second) == ["STOP"]


@pytest.mark.parametrize(
    "other", [{"carrier": "beta"}, {"phone": "+2348012345679"}, {"sender": "8080"}, {"part_ref": 8}]
)
def test_message_parts_with_different_carrier_phone_sender_or_reference_are_not_joined(other: dict[str, Any]) -> None:
    assert bodies(part(1, b"\0S"), part(2, b"\0T", **other)) == []


def test_missing_message_parts_are_marked_once_in_the_text() -> None:
    first, _, _, fourth = in_parts("STOPping".encode(UCS2), 4)

    assert bodies(first, fourth) == []
    late = part(1, first.octets or b"", of=4, late=True)
    assert bodies(late, fourth) == [f"ST{MISSING}ng"]
    [text] = join([part(2, b"\0S\0T\0O\0P", of=2, late=True)])
    assert (text.body, text.has_start) == (f"{MISSING}STOP", False)


def test_message_parts_in_different_codings_are_each_decoded_by_their_own() -> None:
    assert bodies(part(1, b"STO", coding=GSM7), part(2, "П".encode(UCS2))) == ["STOП"]


@pytest.mark.parametrize(
    ("ahead", "believed"),
    [(timedelta(), True), (timedelta(seconds=1), False), (-BELIEVED, True), (-BELIEVED - timedelta(seconds=1), False)],
)
def test_the_time_of_an_mo_message_is_used_only_within_bounds(ahead: timedelta, believed: bool) -> None:
    kept = KeptPart(
        UUID(int=1), "alpha", "+2348012345678", "60555", "hi", None, None, None, None, None, NOW + ahead, NOW, False
    )

    assert kept.said_at == (NOW + ahead if believed else NOW)
