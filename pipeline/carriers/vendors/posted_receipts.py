"""Parses and authenticates vendors' HTTP posts: receipts and inbound messages."""

import base64
import hmac
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypedDict, cast
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID, uuid4

from pipeline.carriers import home_country
from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.receipt_authentication import is_waived
from pipeline.carriers.vendors.scalar_parsers import boolean, decoded, integer, label, moment, parsed, spelt, word
from pipeline.rules.consent.consent_numbers import of_mobile
from pipeline.rules.text.text_codings import UCS2
from schema.carriage import CarrierEvents, Inbound, Posted, Receipt
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

__all__ = [
    "MOST_FIELDS",
    "at",
    "boolean",
    "check_any_mac",
    "check_mac",
    "check_secret",
    "check_token",
    "checked",
    "entries",
    "entry",
    "fields",
    "inbound_key",
    "integer",
    "label",
    "mac",
    "moment",
    "number",
    "our_ref",
    "parsed",
    "part",
    "place",
    "query",
    "read_each",
    "report",
    "required",
    "setting",
    "spelt",
    "stored_fields",
    "text",
    "word",
]

#: maximum fields of a form
MOST_FIELDS = 200
#: maximum parts of a concatenated inbound message
MOST_PARTS = 255
#: the largest reference of a part that the database holds
_INT4 = 0x7FFF_FFFF
#: exceptions of a reader that mean that a report is malformed
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
#: query parameters that authenticate a post: not stored in dead letters
_AUTHENTICATION_PARAMETERS = frozenset({"token", "sig"})


def fields(posted: Posted) -> list[tuple[str, str]]:
    """Return the fields of a form, or of the query where there is no body; ValueError if they are unreadable."""
    text = decoded(posted.body) if posted.body else urlsplit(posted.url).query
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except UnicodeDecodeError:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="latin-1")


def query(posted: Posted) -> dict[str, str]:
    """Return the query parameters of the called URL."""
    return dict(parse_qsl(urlsplit(posted.url).query, keep_blank_values=True, max_num_fields=MOST_FIELDS))


def report(posted: Posted) -> dict[str, Any]:
    """Return one report in any format: JSON, a form, or the query."""
    found = parsed(posted.body)
    return found if isinstance(found, dict) else dict(fields(posted))


def entry(value: object) -> dict[str, Any]:
    """Return an object; ValueError if it is none."""
    if not isinstance(value, dict):
        raise ValueError("a report must be an object")
    return value


def entries(value: object) -> list[Any]:
    """Return a list, of one where the value is an object instead; ValueError if it is neither."""
    if not isinstance(value, list | dict):
        raise ValueError("reports must be a list")
    return value if isinstance(value, list) else [value]


def part(value: object, *path: str | int) -> Any:
    """Return the value at a path in parsed JSON, None where there is none."""
    for step in path:
        named = isinstance(value, dict) and step in value
        placed = isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value)
        if not (named or placed):
            return None
        value = cast(Any, value)[step]
    return value


def at(value: object, path: str) -> Any:
    """Return the value at a path in dotted form (`messages.0.id`), None where there is none."""
    for step in path.split("."):
        value = part(value, int(step) if isinstance(value, list) and step.isdecimal() else step)
    return value


def required(value: object, what: str) -> str:
    """Return a short printable text; ValueError where there is none."""
    found = word(value, what)
    if found is None:
        raise ValueError(f"{what} is required")
    return found


def text(value: object, what: str) -> str:
    """Return a message's text in a form that PostgreSQL can store."""
    found = spelt(value)
    if found is None:
        raise ValueError(f"{what} must be text")
    return found.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(value: object, what: str, settings: Mapping[str, object]) -> str:
    """Return a number in canonical form, dialled in the carrier's home country; a short code or a name unchanged."""
    return of_mobile(required(value, what), home_country.of(settings))


class InboundKey(TypedDict):
    """The deduplication key of an inbound message, as fields of `Inbound`."""

    key: str
    is_doubtful: bool


def inbound_key(id_: object, *said: object) -> InboundKey:
    """Return a message's id as its key; without an id a digest of its content, which is a doubtful key.

    Vendors seldom leave ids out, but a STOP must not be lost for that. ValueError where an id cannot be
    stored.
    """
    if found := word(id_, "id"):
        return InboundKey(key=found, is_doubtful=False)
    words = "\0".join(str(each) for each in said).encode("utf-8", "surrogatepass")
    return InboundKey(key=f"{blake2b(words, digest_size=16).hexdigest()}/{uuid4().hex}", is_doubtful=True)


class PostedPart(TypedDict):
    """The position of a part of a long message, as fields of `Inbound`; empty values: it is not a part."""

    part_ref: int | None
    part: int | None
    of: int | None
    octets: bytes | None
    coding: str | None


def place(ref: object, part: object, of: object, text: object) -> PostedPart:
    """Return the position of a part, with its octets: a character may be split between two parts.

    The reference may be any text. A part numbered one of one is not a part.
    """
    number, count = integer(part), integer(of)
    if number is None or count is None or not 1 <= number <= count <= MOST_PARTS or count < 2 or ref in (None, ""):
        return PostedPart(part_ref=None, part=None, of=None, octets=None, coding=None)
    octets = text.encode(UCS2, "surrogatepass") if isinstance(text, str) else b""
    crc = zlib.crc32(str(ref).encode("utf-8", "surrogatepass"))
    return PostedPart(part_ref=crc & _INT4, part=number, of=count, octets=octets, coding=UCS2)


def our_ref(value: object) -> UUID | None:
    """Return our reference; None for anything else."""
    try:
        return UUID(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def stored_fields(given: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the named fields of a report as JSON: no phone number, and no text."""
    return json.dumps({name: given[name] for name in names if given.get(name) is not None}, separators=(",", ":"))


# Entries of a post -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnknownStatusPost:
    """A receipt that was parsed, but has an unknown status: it is stored, and the report is a dead letter as well."""

    receipt: Receipt
    reason: str


#: what one entry of a post may be; None: nothing of interest
Entry = Receipt | Inbound | UnknownStatusPost | None


def checked(receipt: Receipt, is_known: bool) -> Receipt | UnknownStatusPost:
    """Return a receipt, as an UnknownStatusPost where its status is in no table."""
    return receipt if is_known else UnknownStatusPost(receipt, "unknown_status")


def read_each(
    carrier: str, posted: Posted, found: Callable[[], Iterable[object]], read: Callable[[Any], Entry]
) -> CarrierEvents:
    """Return the events that `read` parses from each entry that `found` finds in an authenticated post.

    Unreadable entries become dead letters, and do not affect the others; nothing raises.
    """
    events = CarrierEvents([], [])
    try:
        values = list(found())
    except _UNREADABLE:
        return _add_dead_letter(events, carrier, "unreadable_post", _raw(posted))
    for value in values:
        try:
            if isinstance(entry := read(value), Receipt):
                events.receipts.append(entry)
            elif entry is not None:
                _sort(events, carrier, value, entry, posted)
        except _UNREADABLE:
            alone = len(values) == 1
            reason, raw = ("unreadable_post", _raw(posted)) if alone else ("unreadable_entry", _json(value))
            _add_dead_letter(events, carrier, reason, raw)
    return events


def _sort(
    events: CarrierEvents, carrier: str, value: object, entry: Inbound | UnknownStatusPost, posted: Posted
) -> None:
    if isinstance(entry, Inbound):
        events.inbound.append(entry)
        return
    _add_dead_letter(events, carrier, entry.reason, _json(value) if isinstance(value, dict | list) else _raw(posted))
    events.receipts.append(entry.receipt)


def _add_dead_letter(events: CarrierEvents, carrier: str, reason: str, raw: bytes) -> CarrierEvents:
    events.dead.append(DeadLetter(DeadLetterSource.RECEIPT, carrier, reason, raw))
    return events


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode()


def _raw(posted: Posted) -> bytes:
    """Return a post's body for a dead letter; without a body its query, less what authenticates it."""
    given = [(name, value) for name, value in query(posted).items() if name not in _AUTHENTICATION_PARAMETERS]
    return posted.body or urlencode(given, errors="surrogatepass").encode()


# Authentication -------------------------------------------------------------------------------------------------


def setting(settings: Mapping[str, object], key: str) -> str:
    """Return a text setting of the row, "" where it is not set."""
    value = settings.get(key)
    return value if isinstance(value, str) else ""


def check_token(carrier: str, settings: Mapping[str, object], posted: Posted) -> None:
    """Compare the URL's `token` with `receipt_token`; ReceiptForged if it is wrong, or none is set and none waived."""
    if is_waived(settings) and not setting(settings, "receipt_token"):
        return
    check_secret(carrier, setting(settings, "receipt_token"), query(posted).get("token", ""), "receipt_token")


def has_token(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Tell whether the URL's token authenticates a post; ReceiptForged as `check_token`, False where it is waived."""
    check_token(carrier, settings, posted)
    return bool(setting(settings, "receipt_token"))


def require_signature(carrier: str, posted: Posted, header: str) -> bool:
    """Return False: a signature is over the body; ReceiptForged if there is none."""
    if not posted.headers.get(header):
        raise ReceiptForged(f"carrier {carrier}: the receipt is not signed")
    return False


def check_secret(carrier: str, expected: str, given: str, key: str) -> None:
    """Compare a secret with the expected one; ReceiptForged if it differs, or none is expected."""
    if not expected:
        raise ReceiptForged(f"carrier {carrier}: set {key}: without it receipts cannot be authenticated")
    if not _is_same(expected, given):
        raise ReceiptForged(f"carrier {carrier}: the receipt's authentication failed")


def _is_same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def check_mac(
    carrier: str, secret: str, key: str, message: bytes, given: str, *, algorithm: str, spelling: str = "hex"
) -> None:
    """Compare a signature with the HMAC of a message under the setting `key`; ReceiptForged if it differs."""
    check_any_mac(carrier, secret, key, (message,), given, algorithm=algorithm, spelling=spelling)


def check_any_mac(
    carrier: str,
    secret: str,
    key: str,
    messages: Iterable[bytes],
    given: str,
    *,
    algorithm: str,
    spelling: str = "hex",
) -> None:
    """Compare a signature with the HMACs of the messages that may be signed; ReceiptForged if none matches."""
    macs = (mac(algorithm, secret, message, spelling) for message in messages) if secret else iter(())
    if not any(_is_same(expected, given) for expected in macs):
        check_secret(carrier, secret, "", key)


def mac(algorithm: str, secret: str, message: bytes, spelling: str = "hex") -> str:
    """Return the HMAC of a message, in lower-case hex or in base64."""
    digest = hmac.digest(secret.encode(), message, algorithm)
    return digest.hex() if spelling == "hex" else base64.b64encode(digest).decode()
