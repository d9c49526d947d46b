"""The body of a submit_sm, by the carrier's options."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.carriers.smpp import pdu, smpp_options
from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.pdu import MessagePdu
from schema.carriage import Parcel
from schema.vocabulary import Encoding
from tests.carriers.conformance import parcel
from tests.carriers.smpp.peer import SETTINGS

NOW = datetime(2026, 11, 22, 4, 34, tzinfo=UTC)


def written(given: Parcel | None = None, **settings: Any) -> list[MessagePdu]:
    """Return a message's submit_sm as the SMSC reads them."""
    writer = smpp_options.read("alpha", {**SETTINGS, **settings}).writer
    return [pdu.read_message(body) for body in writer.write(given or parcel(), NOW)]


def long() -> Parcel:
    return parcel("x" * 400, encoding=Encoding.GSM7, segments=3)


def test_a_submit_sm_has_the_sender_the_recipient_and_the_text_of_its_message() -> None:
    [message] = written(parcel("Grüße", to="+491701234567", sender="ACME", encoding=Encoding.GSM7))

    assert (message.source_ton, message.source_npi, message.source) == (5, 0, "ACME")
    assert (message.destination_ton, message.destination_npi, message.destination) == (1, 1, "491701234567")
    assert (message.text, message.data_coding, message.esm_class) == (b"Gr~\x1ee", 0, 0)


def test_the_source_addr_is_empty_with_empty_source() -> None:
    [message] = written(parcel(sender="ACME"), empty_source=True)

    assert (message.source_ton, message.source_npi, message.source) == (0, 0, "")
    assert message.destination


@pytest.mark.parametrize(
    ("asked", "single", "parts"),
    [("all", 1, [1, 1, 1]), ("failures", 2, [2, 2, 2]), ("last", 1, [0, 0, 1]), ("none", 0, [0, 0, 0])],
)
def test_registered_delivery_of_each_part_follows_its_setting(asked: str, single: int, parts: list[int]) -> None:
    assert [message.registered_delivery for message in written(registered_delivery=asked)] == [single]
    assert [message.registered_delivery for message in written(long(), registered_delivery=asked)] == parts


@pytest.mark.parametrize(
    ("form", "expected"),
    [("relative", "000000020000000R"), ("absolute", "261122063400000+"), ("none", "")],
)
def test_the_validity_period_of_a_submit_sm_follows_valid_until_and_its_setting(form: str, expected: str) -> None:
    given = parcel(valid_until=NOW + timedelta(hours=2))

    assert [message.validity for message in written(given, validity=form)] == [expected]
    assert [message.validity for message in written(parcel(), validity=form)] == [""]


def test_user_message_reference_holds_16_bits_of_our_reference_and_is_the_same_at_every_attempt() -> None:
    given = parcel()

    tries = written(given) + written(given)

    assert {message.tlvs[Tag.USER_MESSAGE_REFERENCE] for message in tries} == {given.ref.bytes[-2:]}
    assert Tag.USER_MESSAGE_REFERENCE not in written(given, user_message_reference=False)[0].tlvs


def test_the_whole_reference_is_sent_in_the_tlv_that_reference_tag_names() -> None:
    given = parcel()

    [message] = written(given, reference_tag=0x1500)

    assert UUID(message.tlvs[0x1500].decode()) == given.ref


def test_configured_tlvs_are_sent_with_each_part_and_may_differ_by_sender() -> None:
    settings = {
        "tlvs": {"0x1400": "1101", "0x1401": "0x0102ff"},
        "tlvs_by_sender": {"BRAND": {"0x1401": "2202", "0x1402": "3303"}},
    }
    own = {0x1400: b"1101", 0x1401: b"2202", 0x1402: b"3303"}

    for message in written(long(), **settings):
        assert {tag: message.tlvs.get(tag) for tag in own} == {0x1400: b"1101", 0x1401: b"\1\2\xff", 0x1402: None}
    [message] = written(parcel(sender="BRAND"), **settings)
    assert {tag: message.tlvs.get(tag) for tag in own} == own


def test_the_service_type_is_sent_as_it_is_set() -> None:
    assert [message.service_type for message in written(service_type="CMT")] == ["CMT"]


@pytest.mark.parametrize(("form", "count"), [("udh8", 3), ("udh16", 3), ("sar", 3), ("payload", 1)])
def test_a_long_message_is_concatenated_in_the_form_that_is_set(form: str, count: int) -> None:
    messages = written(long(), long=form)

    assert len(messages) == count
    texts = [message.text[1 + message.text[0] :] if message.esm_class & 0x40 else message.text for message in messages]
    assert b"".join(texts) == b"x" * 400
