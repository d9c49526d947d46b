"""What vendors post to us: read as data, proved before it is believed."""

import base64
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.proofs import is_waived
from schema.carriage import Posted

#: fields a form may have
MOST_FIELDS = 200
_WORD = re.compile(r"[ -~]{0,128}")
_NUMBER = re.compile(r"\+?[0-9]{9,15}")


def fields(posted: Posted) -> list[tuple[str, str]]:
    """Return the fields of a form, or of the query where there is no body; ValueError if they cannot be read."""
    text = posted.body.decode() if posted.body else urlsplit(posted.url).query
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")


def query(posted: Posted) -> dict[str, str]:
    """Return what the called URL itself says."""
    return dict(parse_qsl(urlsplit(posted.url).query, keep_blank_values=True, max_num_fields=MOST_FIELDS))


def report(posted: Posted) -> dict[str, Any]:
    """Return one report, whichever way it came: as JSON, as a form, or in the query."""
    if posted.body.lstrip()[:1] == b"{":
        return entry(parsed(posted.body))
    return dict(fields(posted))


def parsed(text: bytes) -> Any:
    """Return what the JSON says; None, which no answer of a vendor's is, if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def entry(value: object) -> dict[str, Any]:
    """Return an object; ValueError if it is none."""
    if not isinstance(value, dict):
        raise ValueError("a report must be an object")
    return value


def entries(value: object) -> list[dict[str, Any]]:
    """Return a list of objects; ValueError if it is none."""
    if not isinstance(value, list):
        raise ValueError("reports must be a list")
    return [entry(each) for each in value]


def part(value: object, *path: str | int) -> Any:
    """Return what is at a path in parsed JSON, None where there is nothing."""
    for step in path:
        named = isinstance(value, dict) and step in value
        placed = isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value)
        if not (named or placed):
            return None
        value = cast(Any, value)[step]
    return value


def at(value: object, path: str) -> Any:
    """Return what is at a path as an operator spells it (`messages.0.id`), None where there is nothing."""
    for step in path.split("."):
        value = part(value, int(step) if isinstance(value, list) and step.isdecimal() else step)
    return value


def word(value: object, what: str) -> str | None:
    """Return a short printable text, None where there is none; nothing else is fit to be stored."""
    if value is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
        raise ValueError(f"{what} must be short text")
    return value or None


def needed(value: object, what: str) -> str:
    """Return a short printable text; ValueError where there is none."""
    found = word(value, what)
    if found is None:
        raise ValueError(f"{what} must be there")
    return found


def text(value: object, what: str) -> str:
    """Return a message's text as a database can hold it."""
    if not isinstance(value, str):
        raise ValueError(f"{what} must be text")
    return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(value: object, what: str) -> str:
    """Return a number with its plus; a short code or a name as it is."""
    spelt = needed(value, what).strip()
    return f"+{spelt.removeprefix('+')}" if _NUMBER.fullmatch(spelt) else spelt


def ours(value: object) -> UUID | None:
    """Return our reference; None for what is not ours."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def moment(value: object) -> datetime | None:
    """Return an ISO 8601 moment, UTC where it names no zone; None where it is none that a database could tell."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return at.astimezone(UTC) if at and at.tzinfo else at and at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def kept(given: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the named fields of a report as JSON: no number of anybody's, and no text."""
    return json.dumps({name: given[name] for name in names if given.get(name) is not None}, separators=(",", ":"))


# Whose it is ----------------------------------------------------------------------------------------------------


def setting(settings: Mapping[str, object], key: str) -> str:
    """Return a setting of the row that is text, "" where it is not set."""
    value = settings.get(key)
    return value if isinstance(value, str) else ""


def prove_token(carrier: str, settings: Mapping[str, object], posted: Posted) -> None:
    """Hold the `token` of the called URL to `receipt_token`; ReceiptForged if it is wrong, or none set nor waived."""
    if is_waived(settings) and not setting(settings, "receipt_token"):
        return
    prove(carrier, setting(settings, "receipt_token"), query(posted).get("token", ""), "receipt_token")


def prove(carrier: str, expected: str, given: str, key: str) -> None:
    """Hold what was given to what is expected; ReceiptForged if it differs, or nothing is expected."""
    if not expected:
        raise ReceiptForged(f"carrier {carrier}: set {key}, or nobody can tell whose receipts these are")
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise ReceiptForged(f"carrier {carrier}: the receipt does not prove whose it is")


def prove_mac(
    carrier: str, secret: str, key: str, message: bytes, given: str, *, algorithm: str, spelling: str = "hex"
) -> None:
    """Hold a signature to the HMAC of a message under the setting `key`; ReceiptForged if it differs."""
    prove(carrier, secret and mac(algorithm, secret, message, spelling), given, key)


def mac(algorithm: str, secret: str, message: bytes, spelling: str = "hex") -> str:
    """Return the HMAC of a message, in lower-case hex or in base64."""
    digest = hmac.digest(secret.encode(), message, algorithm)
    return digest.hex() if spelling == "hex" else base64.b64encode(digest).decode()
