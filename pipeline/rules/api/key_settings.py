"""Settings and scopes of API keys: the types of settings, and whether given ones are valid; which ones there are is
each dialect's own."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.rules.numbers.senders import is_sender

#: upper bound of rate limits, per second and of bursts
MOST = 1_000_000
#: seconds
DAY = 86_400


@dataclass(frozen=True, slots=True)
class SettingType:
    """The type and range of a setting."""

    #: description that follows "must be"
    words: str
    fits: Callable[[Any], bool]


def whole(least: int, most: int) -> SettingType:
    """Return the type of a whole number within limits."""
    return SettingType(f"a whole number from {least:,} to {most:,}", lambda it: type(it) is int and least <= it <= most)


def number(most: float, *, or_zero: bool = False) -> SettingType:
    """Return the type of a number above 0, or from 0 on."""

    def fits(it: Any) -> bool:
        is_number = type(it) in (int, float) and math.isfinite(it)
        return is_number and (it >= 0 if or_zero else it > 0) and it <= most

    return SettingType(f"a number from 0 to {most:,}" if or_zero else f"a number above 0, up to {most:,}", fits)


def text(words: str, fits: Callable[[str], bool]) -> SettingType:
    """Return the type of a text that fits."""
    return SettingType(words, lambda it: isinstance(it, str) and fits(it))


SENDER = text("a sender: up to 11 letters and digits, or a number", is_sender)
#: settings of every key: requests a second at one endpoint, and the burst allowed
EVERY: Mapping[str, SettingType] = {"rate": number(MOST), "burst": whole(1, MOST)}


def fit_scopes(dialect: str, known: Sequence[str], scopes: Sequence[str]) -> None:
    """Raise ConfigurationError when one of the scopes is not among those that the dialect's keys can have."""
    for scope in scopes:
        if scope not in known:
            raise ConfigurationError(f"unknown scope {scope!r}: a {dialect} key can have {', '.join(known)}")


def fit(dialect: str, types: Mapping[str, SettingType], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key's settings in their stored form; ConfigurationError names the invalid one.

    A sender given as a number becomes text: short codes are digits.
    """
    kept = {name: str(value) if name == "sender" and type(value) is int else value for name, value in settings.items()}
    for name, value in kept.items():
        if name not in types:
            raise ConfigurationError(f"a {dialect} key has no setting {name!r}; it has {', '.join(sorted(types))}")
        if not types[name].fits(value):
            raise ConfigurationError(f"the setting {name!r} of a {dialect} key must be {types[name].words}")
    return kept
