"""SMPP addresses of senders and recipients: TON, NPI, digits."""

import pytest

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import addresses
from pipeline.carriers.smpp.addresses import AddressPlan, destination, phone, service, source
from pipeline.errors import ConfigurationError


@pytest.mark.parametrize(
    ("sender", "written"),
    [
        ("Postroad", b"\x05\x00Postroad\0"),
        ("A & B_c-d.e", b"\x05\x00A & B_c-d.e\0"),
        ("60555", b"\x03\x0060555\0"),
        ("12345678", b"\x03\x0012345678\0"),
        ("+31612345678", b"\x01\x0131612345678\0"),
        ("31612345678", b"\x01\x0131612345678\0"),
        ("+12345678", b"\x01\x0112345678\0"),
    ],
)
def test_ton_and_npi_of_a_sender_depend_on_whether_it_is_alphanumeric_a_short_code_or_a_number(
    sender: str, written: bytes
) -> None:
    assert source(AddressPlan(), sender) == written


def test_a_destination_addr_is_written_without_its_plus_unless_the_address_plan_keeps_it() -> None:
    assert destination(AddressPlan(), "+31612345678") == b"\x01\x0131612345678\0"
    assert destination(AddressPlan(destination=(0, 1), plus=True), "+31612345678") == b"\x00\x01+31612345678\0"


@pytest.mark.parametrize("sender", ["", "TwelveLetter", "Twelve[[]]xx", "bad\0", "bad\r\n", "Дом"])
def test_an_invalid_source_addr_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="source_addr must"):
        source(AddressPlan(), sender)


@pytest.mark.parametrize("number", ["", "+", "316a", "+316\0", "٣١٦", "1" * 21])
def test_a_destination_addr_that_is_not_a_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="destination_addr must"):
        destination(AddressPlan(), number)


@pytest.mark.parametrize(
    ("ton", "digits", "reported"),
    [
        (1, "31612345678", "+31612345678"),
        (1, "+31612345678", "+31612345678"),
        (0, "31612345678", "+31612345678"),
        (0, "0612345678", "0612345678"),
        (0, "60555", "60555"),
        (2, "612345678", "612345678"),
        (5, "Bank", "Bank"),
        (5, "Ba\x01nk", "Ba?nk"),
        (1, "", ""),
        (1, "no number", "no number"),
    ],
)
def test_the_source_addr_of_an_mo_message_is_converted_to_e164_if_it_is_an_international_number(
    ton: int, digits: str, reported: str
) -> None:
    assert phone(ton, digits) == reported


@pytest.mark.parametrize(
    ("ton", "digits", "reported"), [(1, "31612345678", "+31612345678"), (3, "60555", "60555"), (1, "60555", "60555")]
)
def test_the_destination_addr_of_an_mo_message_is_read_as_a_number_or_a_short_code(
    ton: int, digits: str, reported: str
) -> None:
    assert service(ton, digits) == reported


def test_an_address_plan_is_read_from_a_carrier_s_settings() -> None:
    options = SettingReader("acme", {"short_code_ton": 6, "number_npi": 8, "short_code_digits": 5, "plus": True})

    plan = addresses.read(options)

    options.finish()
    assert plan == AddressPlan(short_code=(6, 0), number=(1, 8), short_code_digits=5, plus=True)
    with pytest.raises(ConfigurationError, match="carrier acme: number_ton must be a number from 0 to 255"):
        addresses.read(SettingReader("acme", {"number_ton": 256}))
