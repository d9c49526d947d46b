"""Reads and validates one carrier's settings key by key; errors name the carrier and the key."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from pipeline.errors import ConfigurationError

Word = TypeVar("Word", bound=StrEnum)


class SettingReader:
    """One carrier's settings. Each key is read once; `finish` refuses unknown keys."""

    def __init__(self, carrier: str, given: Mapping[str, object]) -> None:
        self.carrier = carrier
        self._given = dict(given)
        #: settings accepted though a specification does not allow them: texts for the operator
        self.warnings: list[str] = []

    def text(self, key: str, default: str | None = None) -> str:
        """Take printable text; without a default the key is required."""
        value = self._given.pop(key, default)
        if value is None:
            raise self.unfit(key, "is required")
        if not isinstance(value, str) or not value.isprintable():
            raise self.unfit(key, "must be printable text")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """Take a number from `low` to `high`."""
        value = self._given.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.unfit(key, f"must be a number from {low:g} to {high:g}")
        return value

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """Take a whole number from `low` to `high`."""
        value = self.number(key, default, low, high)
        if value != int(value):
            raise self.unfit(key, "must be a whole number")
        return int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Take true or false."""
        value = self._given.pop(key, default)
        if not isinstance(value, bool):
            raise self.unfit(key, "must be true or false")
        return value

    def choice(self, key: str, words: type[Word], default: Word) -> Word:
        """Take one word of a closed set."""
        value = self.text(key, default)
        try:
            return words(value)
        except ValueError:
            raise self.unfit(key, f"must be one of {', '.join(words)}") from None

    def mapping(self, key: str) -> dict[str, object]:
        """Take an object; absent: an empty one."""
        value = self._given.pop(key, {})
        if not isinstance(value, Mapping):
            raise self.unfit(key, "must be an object")
        return {str(name): member for name, member in value.items()}

    def take(self, key: str) -> object:
        """Take any value, None where it is absent."""
        return self._given.pop(key, None)

    def warn(self, key: str, why: str) -> None:
        """Add a warning: a setting is accepted though it may not work."""
        self.warnings.append(f"carrier {self.carrier}: {key} {why}")

    def finish(self) -> None:
        """Refuse keys that were not read: a misspelt key would otherwise be ignored."""
        if self._given:
            raise self.unfit(min(self._given), "is no setting of this kind of carrier")

    def unfit(self, key: str, why: str) -> ConfigurationError:
        """Return the ConfigurationError that names the key."""
        return ConfigurationError(f"carrier {self.carrier}: {key} {why}")
