"""Settings and scopes of API keys: which names each dialect allows, and their valid values."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.rules.numbers.senders import is_sender
from schema.vocabulary import Dialect

#: upper bound of rate limits, per second and of bursts
_MOST = 1_000_000
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Kind:
    """The type and range of a setting."""

    #: description that follows "must be"
    words: str
    fits: Callable[[Any], bool]


def _whole(least: int, most: int) -> _Kind:
    return _Kind(f"a whole number from {least:,} to {most:,}", lambda it: type(it) is int and least <= it <= most)


def _number(most: float, *, or_zero: bool = False) -> _Kind:
    def fits(it: Any) -> bool:
        is_number = type(it) in (int, float) and math.isfinite(it)
        return is_number and (it >= 0 if or_zero else it > 0) and it <= most

    return _Kind(f"a number from 0 to {most:,}" if or_zero else f"a number above 0, up to {most:,}", fits)


def _text(words: str, fits: Callable[[str], bool]) -> _Kind:
    return _Kind(words, lambda it: isinstance(it, str) and fits(it))


_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_REGION = re.compile(r"[A-Z]{2,3}")

_SENDER = _text("a sender: up to 11 letters and digits, or a number", is_sender)
_NUMBERS = _Kind(
    'numbers with their plus: ["+2348031234567"]',
    lambda it: isinstance(it, list) and all(isinstance(each, str) and _E164.fullmatch(each) for each in it),
)

#: settings of every key: requests a second at one endpoint, and the burst allowed
_EVERY = {"rate": _number(_MOST), "burst": _whole(1, _MOST)}

KINDS: Mapping[Dialect, Mapping[str, _Kind]] = {
    Dialect.SOLARIS: _EVERY
    | {
        "sender": _SENDER,
        "recipient_burst": _whole(1, _MOST),
        "recipient_seconds": _number(_DAY),
        "token_seconds": _whole(1, _DAY),
        "code_seconds": _whole(1, _DAY),
        "code_attempts": _whole(1, 100),
        "hard_cap": _whole(1, _MOST),
    },
    Dialect.ROBASE: _EVERY,
    Dialect.TELESIGN: _EVERY
    | {
        "tolerance": _number(900),
        "validity": _whole(30, _DAY),
        "max_attempts": _whole(1, 100),
        "max_text": _whole(1, 1600),
        "sender": _SENDER,
        "hard_cap": _whole(1, _MOST),
        "pause": _number(_DAY, or_zero=True),
        "trial_numbers": _NUMBERS,
    },
    Dialect.WEBEX: _EVERY
    | {
        "home_region": _text("a region: UK", lambda it: bool(_REGION.fullmatch(it))),
        "time_zone": _text("a time zone: Europe/London", lambda it: bool(_ZONE.fullmatch(it))),
    },
}


#: scopes a key can be limited to, by the vendor's names where it has some; a key without any has all
SCOPES: Mapping[Dialect, tuple[str, ...]] = {
    Dialect.SOLARIS: ("persons", "sending"),
    Dialect.ROBASE: ("full", "sending"),
    Dialect.TELESIGN: ("verify",),
    Dialect.WEBEX: ("account", "scheduled", "senders", "sending"),
}


def fit_scopes(dialect: Dialect, scopes: Sequence[str]) -> None:
    """Raise ConfigurationError when the dialect has no such scope."""
    for scope in scopes:
        if scope not in SCOPES[dialect]:
            raise ConfigurationError(f"unknown scope {scope!r}: a {dialect} key can have {', '.join(SCOPES[dialect])}")


def fit(dialect: Dialect, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key's settings in their stored form; ConfigurationError names the invalid one.

    A sender given as a number becomes text: short codes are digits.
    """
    kinds = KINDS[dialect]
    kept = {name: str(value) if name == "sender" and type(value) is int else value for name, value in settings.items()}
    for name, value in kept.items():
        if name not in kinds:
            raise ConfigurationError(f"a {dialect} key has no setting {name!r}; it has {', '.join(sorted(kinds))}")
        if not kinds[name].fits(value):
            raise ConfigurationError(f"the setting {name!r} of a {dialect} key must be {kinds[name].words}")
    return kept
