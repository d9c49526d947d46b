"""SMPP source and destination addresses: type of number (TON), numbering plan (NPI), digits (5.2.5, 5.2.6).

Settings, each a number from 0 to 255, with their defaults:

    alphanumeric_ton 5, alphanumeric_npi 0      a sender of letters
    short_code_ton 3,   short_code_npi 0        a sender of up to `short_code_digits` (8) digits without a plus
    number_ton 1,       number_npi 1            a sender that is a number
    destination_ton 1,  destination_npi 1       the recipient
    plus                false                   whether numbers keep their plus
"""

import re
from dataclasses import dataclass

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import pdu
from pipeline.rules.consent.consent_numbers import SHORTEST, StatedNumber, of_mobile
from pipeline.rules.text import gsm7

#: TON: international, with a country code
INTERNATIONAL = 1
#: TON: alphanumeric
ALPHANUMERIC = 5
#: GSM-7 characters that fit into an alphanumeric address: 20 semi-octets (23.040, 9.1.2.5)
LONGEST_ALPHANUMERIC = 11

_DIGITS = re.compile(r"\+?[0-9]{1,20}")
#: number format by type of number (5.2.5); short codes and names have the others
_SAID = {0: StatedNumber.UNKNOWN, 1: StatedNumber.INTERNATIONAL, 2: StatedNumber.NATIONAL, 4: StatedNumber.NATIONAL}


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """How one carrier expects addresses."""

    alphanumeric: tuple[int, int] = (ALPHANUMERIC, 0)
    short_code: tuple[int, int] = (3, 0)
    number: tuple[int, int] = (INTERNATIONAL, 1)
    destination: tuple[int, int] = (INTERNATIONAL, 1)
    #: a sender of up to this many digits without a plus is a short code
    short_code_digits: int = 8
    #: whether numbers are sent with their plus
    plus: bool = False


def read(options: SettingReader) -> AddressPlan:
    """Take one carrier's settings."""
    usual = AddressPlan()
    return AddressPlan(
        alphanumeric=_pair(options, "alphanumeric", usual.alphanumeric),
        short_code=_pair(options, "short_code", usual.short_code),
        number=_pair(options, "number", usual.number),
        destination=_pair(options, "destination", usual.destination),
        short_code_digits=options.whole("short_code_digits", usual.short_code_digits, 0, 15),
        plus=options.flag("plus", usual.plus),
    )


def source(plan: AddressPlan, sender: str) -> bytes:
    """Return the sender as an address for `pdu.message`; ValueError where no handset could show it."""
    if not _DIGITS.fullmatch(sender):
        septets = gsm7.septets(sender)
        if not sender or septets is None or septets > LONGEST_ALPHANUMERIC:
            raise ValueError(f"source_addr must be digits or 1 to {LONGEST_ALPHANUMERIC} characters of GSM-7")
        return pdu.address("source_addr", *plan.alphanumeric, sender)
    if len(sender) <= plan.short_code_digits and sender[0] != "+":
        return pdu.address("source_addr", *plan.short_code, sender)
    return pdu.address("source_addr", *plan.number, _number(plan, sender))


def destination(plan: AddressPlan, phone: str) -> bytes:
    """Return the recipient as an address for `pdu.message`; ValueError where it is not a number."""
    if not _DIGITS.fullmatch(phone):
        raise ValueError("destination_addr must be digits")
    return pdu.address("destination_addr", *plan.destination, _number(plan, phone))


def phone(ton: int, digits: str, home: str = "") -> str:
    """Return an MO's sender in its canonical form, national numbers as dialled in `home` (ISO); a name unchanged."""
    return _shown(of_mobile(digits, home, _SAID.get(ton, StatedNumber.OTHER)))


def service(ton: int, digits: str, home: str = "") -> str:
    """Return an MO's recipient: a number in its canonical form, a short code unchanged."""
    if len(digits.removeprefix("+")) < SHORTEST:
        return _shown(digits)
    return _shown(of_mobile(digits, home, _SAID.get(ton, StatedNumber.OTHER)))


def _pair(options: SettingReader, name: str, usual: tuple[int, int]) -> tuple[int, int]:
    ton, npi = usual
    return options.whole(f"{name}_ton", ton, 0, 255), options.whole(f"{name}_npi", npi, 0, 255)


def _number(plan: AddressPlan, number: str) -> str:
    bare = number.removeprefix("+")
    return f"+{bare}" if plan.plus else bare


def _shown(address: str) -> str:
    """Return a received address in a form that can be stored."""
    return "".join(char if char.isprintable() else "?" for char in address)
