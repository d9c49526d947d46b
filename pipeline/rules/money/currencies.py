"""Currencies (ISO 4217): the form of their codes, and their decimals: two, with exceptions."""

import re
from decimal import Decimal
from itertools import repeat

from pipeline.errors import require

#: largest amount of one entry, in minor units: above it the input is taken for a typing error
MOST_MONEY = 10**15
#: the unit of quotas in the ledger, which is not a currency
SEGMENTS = "SEG"

_CODE = re.compile(r"[A-Z]{3}")

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = dict(zip(_NONE.split(), repeat(0))) | dict(zip(_THREE.split(), repeat(3)))


def major(amount: int, currency: str) -> int | float:
    """Return an amount of minor units in major units; an int where it is a whole number of them."""
    units: int = 10 ** _DECIMALS.get(currency, 2)
    return amount / units if amount % units else amount // units


def decimal(amount: int, currency: str) -> str:
    """Return an amount of minor units in major units, exact and with its decimals, for programs: `1234.50`."""
    decimals = _DECIMALS.get(currency, 2)
    return f"{Decimal(amount).scaleb(-decimals):.{decimals}f}"


def minor(text: str, currency: str) -> int:
    """Return an amount in major units, as `decimal` writes it, in minor units; InvalidInput."""
    decimals = _DECIMALS.get(currency, 2)
    form = re.compile(rf"[0-9]{{1,15}}(\.[0-9]{{1,{decimals}}})?" if decimals else "[0-9]{1,15}")
    require(form.fullmatch(text), f"{text!r} is not an amount in {currency}: write it as {decimal(1250, currency)}")
    return int(Decimal(text).scaleb(decimals))


def spell(amount: int, currency: str) -> str:
    """Return an amount of minor units as people write it, always with its decimals: `1,234.50 NGN`."""
    decimals = _DECIMALS.get(currency, 2)
    return f"{Decimal(amount).scaleb(-decimals):,.{decimals}f} {currency}"


def check_currency(code: str) -> None:
    """Raise InvalidInput unless the code has the form of a currency."""
    is_code = _CODE.fullmatch(code) and code != SEGMENTS
    require(is_code, f"{code!r} is not a currency: write its ISO 4217 code, such as NGN or EUR")
