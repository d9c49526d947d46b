"""Decimals of currencies (ISO 4217): two, with these exceptions."""

from itertools import repeat

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = dict(zip(_NONE.split(), repeat(0))) | dict(zip(_THREE.split(), repeat(3)))


def major(amount: int, currency: str) -> int | float:
    """Return an amount of minor units in major units; an int where it is a whole number of them."""
    units: int = 10 ** _DECIMALS.get(currency, 2)
    return amount / units if amount % units else amount // units
