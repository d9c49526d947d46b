"""Parameter types of the command line: date-times, merge fields, countries, JSON objects, rates, amounts."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from phonenumbers import SUPPORTED_REGIONS

_RELATIVE = re.compile(r"\+(\d{1,7})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class FromNow(datetime):
    """A date-time that was given relative to now."""


class Moment(click.ParamType[datetime]):
    """A future date-time: ISO 8601 with a zone, or relative to now: `+30s`, `+5m`, `+2h`, `+1d`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the date-time in UTC; a usage error says how to write it."""
        now = datetime.now(UTC)
        try:
            if relative := _RELATIVE.fullmatch(value):
                return FromNow.now(UTC) + timedelta(**{_UNITS[relative[2]]: int(relative[1])})
            moment = _read(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a date-time: write 2026-12-24T18:00:00+01:00, or +30s, +5m, +2h, +1d from now")
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone: add Z for UTC, or +01:00")
        if moment <= now:
            self.fail(f"{value} has passed; leave it out to send at once")
        return moment


class Since(click.ParamType[datetime]):
    """A past date-time: ISO 8601 with a zone, or a duration before now: `30s`, `5m`, `2h`, `1d`."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the date-time in UTC; a usage error says how to write it."""
        try:
            if relative := _RELATIVE.fullmatch(f"+{value}"):
                return datetime.now(UTC) - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
            moment = _read(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a date-time: write 2026-12-24T18:00:00+01:00, or 30s, 5m, 2h, 1d before now")
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone: add Z for UTC, or +01:00")
        return moment


def _read(text: str) -> datetime:
    """Parse an ISO 8601 date-time, in UTC if it has a zone."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


class Field(click.ParamType[tuple[str, str]]):
    """A merge field: `name=value`."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return name and value; a usage error says how to write them."""
        name, equals, content = value.partition("=")
        if not (equals and name.strip()):
            self.fail(f"{value!r} is not a merge field: write name=value, for ${{name}} in the text")
        return name.strip(), content


class Country(click.ParamType[str]):
    """A country by its ISO 3166-1 code, such as NG."""

    name = "country"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the code in capitals; a usage error says how to write it."""
        code = str(value).strip().upper()
        if code not in SUPPORTED_REGIONS:
            self.fail(f"{value!r} is not a country: write its ISO 3166 code, such as NG")
        return code


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the object; a usage error says where it is invalid."""
        if isinstance(value, dict):
            return value
        try:
            found = json.loads(value)
        except ValueError as error:
            self.fail(f"not JSON: {error}")
        if not isinstance(found, dict):
            self.fail("must be a JSON object: {…}")
        return found


class JsonFile(JsonObject):
    """A file with a JSON object; - is stdin."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the object; a usage error says why it cannot be read."""
        if isinstance(value, dict):
            return value
        try:
            with click.open_file(value, encoding="utf-8-sig") as file:
                content = file.read()
        except (OSError, UnicodeError) as error:
            self.fail(f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}")
        return super().convert(content, param, ctx)


class Pace(click.ParamType[float]):
    """A rate in segments per second, or `none` for no limit."""

    name = "number|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, 0 for `none`; a usage error says how to write it."""
        if value == "none":
            return 0.0
        try:
            pace = float(value)
        except ValueError:
            pace = 0.0
        if not pace > 0:
            self.fail(f"{value!r} is not a rate: write segments per second, such as 100 or 0.5, or none for no limit")
        return pace


class AmountOrOff(click.ParamType[int]):
    """An amount in minor units, or `off`."""

    name = "amount|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the amount, -1 for `off`; a usage error says how to write it."""
        if value == "off":
            return -1
        if not (isinstance(value, int) or str(value).isdecimal()):
            self.fail(f"{value!r} is not an amount: write minor units, such as 500000, or off")
        return int(value)
