"""What vendors post to us: read as data, proved before it is believed."""

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
from pipeline.carriers.vendors.scalars import decoded, label, moment, parsed, spelt, truth, whole, word
from pipeline.rules.consent.consent_numbers import of_mobile
from pipeline.rules.text.text_codings import UCS2
from schema.carriage import CarrierEvents, Inbound, Posted, Receipt
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

__all__ = [
    "MOST_FIELDS",
    "at",
    "checked",
    "entries",
    "entry",
    "fields",
    "kept",
    "label",
    "mac",
    "moment",
    "name",
    "needed",
    "number",
    "ours",
    "parsed",
    "part",
    "place",
    "prove",
    "prove_any_mac",
    "prove_mac",
    "prove_token",
    "query",
    "read_each",
    "report",
    "setting",
    "spelt",
    "text",
    "truth",
    "whole",
    "word",
]

#: fields a form may have
MOST_FIELDS = 200
#: parts that a long message of a handset may have
MOST_PARTS = 255
#: what a database holds of a part's reference
_INT4 = 0x7FFF_FFFF
#: what the reader of one report may raise over what a vendor wrote
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
#: fields of a query that let a vendor in: not kept with what could not be read
_PROOFS = frozenset({"token", "sig"})


def fields(posted: Posted) -> list[tuple[str, str]]:
    """Return the fields of a form, or of the query where there is no body; ValueError if they cannot be read."""
    text = decoded(posted.body) if posted.body else urlsplit(posted.url).query
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except UnicodeDecodeError:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="latin-1")


def query(posted: Posted) -> dict[str, str]:
    """Return what the called URL itself says."""
    return dict(parse_qsl(urlsplit(posted.url).query, keep_blank_values=True, max_num_fields=MOST_FIELDS))


def report(posted: Posted) -> dict[str, Any]:
    """Return one report, whichever way it came: as JSON, as a form, or in the query."""
    found = parsed(posted.body)
    return found if isinstance(found, dict) else dict(fields(posted))


def entry(value: object) -> dict[str, Any]:
    """Return an object; ValueError if it is none."""
    if not isinstance(value, dict):
        raise ValueError("a report must be an object")
    return value


def entries(value: object) -> list[Any]:
    """Return a list, of one where there is no list but its only member; ValueError if it is neither."""
    if not isinstance(value, list | dict):
        raise ValueError("reports must be a list")
    return value if isinstance(value, list) else [value]


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


def needed(value: object, what: str) -> str:
    """Return a short printable text; ValueError where there is none."""
    found = word(value, what)
    if found is None:
        raise ValueError(f"{what} must be there")
    return found


def text(value: object, what: str) -> str:
    """Return a message's text as a database can hold it."""
    found = spelt(value)
    if found is None:
        raise ValueError(f"{what} must be text")
    return found.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(value: object, what: str, settings: Mapping[str, object]) -> str:
    """Return a number in its canonical form, read as its carrier's home dials; a short code or a name as it is."""
    return of_mobile(needed(value, what), home_country.of(settings))


class FieldName(TypedDict):
    """What tells a message of a handset from others, as fields of `Inbound`."""

    key: str
    is_doubtful: bool


def name(id_: object, *said: object) -> FieldName:
    """Return a message's id as its key; of one without an id a digest of what was said, which is a doubtful name.

    No vendor leaves its ids out for long, but a STOP must not be lost for that. ValueError where an id is not fit to be
    stored.
    """
    if found := word(id_, "id"):
        return FieldName(key=found, is_doubtful=False)
    words = "\0".join(str(each) for each in said).encode("utf-8", "surrogatepass")
    return FieldName(key=f"{blake2b(words, digest_size=16).hexdigest()}/{uuid4().hex}", is_doubtful=True)


class PostedPart(TypedDict):
    """Where a part of a long message belongs, as fields of `Inbound`; empty values: it is no part."""

    part_ref: int | None
    part: int | None
    of: int | None
    octets: bytes | None
    coding: str | None


def place(ref: object, part: object, of: object, text: object) -> PostedPart:
    """Return where a part of a long message belongs, with its octets: a character may be cut between two parts.

    The reference may be any text. What says no more than that it is one of one is no part.
    """
    number, count = whole(part), whole(of)
    if number is None or count is None or not 1 <= number <= count <= MOST_PARTS or count < 2 or ref in (None, ""):
        return PostedPart(part_ref=None, part=None, of=None, octets=None, coding=None)
    octets = text.encode(UCS2, "surrogatepass") if isinstance(text, str) else b""
    crc = zlib.crc32(str(ref).encode("utf-8", "surrogatepass"))
    return PostedPart(part_ref=crc & _INT4, part=number, of=count, octets=octets, coding=UCS2)


def ours(value: object) -> UUID | None:
    """Return our reference; None for what is not ours."""
    try:
        return UUID(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def kept(given: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the named fields of a report as JSON: no number of anybody's, and no text."""
    return json.dumps({name: given[name] for name in names if given.get(name) is not None}, separators=(",", ":"))


# One by one ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnprovenPost:
    """A receipt that was read, but not understood: it is kept, and the report set aside besides."""

    receipt: Receipt
    reason: str


#: what one entry of a post may be; None: nothing that concerns us
Entry = Receipt | Inbound | UnprovenPost | None


def checked(receipt: Receipt, is_known: bool) -> Receipt | UnprovenPost:
    """Return a receipt, as a doubtful one where its status is in no table of ours."""
    return receipt if is_known else UnprovenPost(receipt, "unknown_status")


def read_each(
    carrier: str, posted: Posted, found: Callable[[], Iterable[object]], read: Callable[[Any], Entry]
) -> CarrierEvents:
    """Return what `read` makes of each entry that `found` finds in a proved post.

    What cannot be read is set aside as it came, and spoils none of the others; nothing raises.
    """
    events = CarrierEvents([], [])
    try:
        values = list(found())
    except _UNREADABLE:
        return _set_aside(events, carrier, "unreadable_post", _raw(posted))
    for value in values:
        try:
            if isinstance(entry := read(value), Receipt):
                events.receipts.append(entry)
            elif entry is not None:
                _sort(events, carrier, value, entry, posted)
        except _UNREADABLE:
            alone = len(values) == 1
            reason, raw = ("unreadable_post", _raw(posted)) if alone else ("unreadable_entry", _json(value))
            _set_aside(events, carrier, reason, raw)
    return events


def _sort(events: CarrierEvents, carrier: str, value: object, entry: Inbound | UnprovenPost, posted: Posted) -> None:
    if isinstance(entry, Inbound):
        events.inbound.append(entry)
        return
    _set_aside(events, carrier, entry.reason, _json(value) if isinstance(value, dict | list) else _raw(posted))
    events.receipts.append(entry.receipt)


def _set_aside(events: CarrierEvents, carrier: str, reason: str, raw: bytes) -> CarrierEvents:
    events.dead.append(DeadLetter(DeadLetterSource.RECEIPT, carrier, reason, raw))
    return events


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode()


def _raw(posted: Posted) -> bytes:
    """Return a post as it came; of a call without a body its query, without what let it in."""
    given = [(name, value) for name, value in query(posted).items() if name not in _PROOFS]
    return posted.body or urlencode(given, errors="surrogatepass").encode()


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


def shows_token(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Tell whether the called URL proves whose a post is; ReceiptForged as `prove_token`, False where it is waived."""
    prove_token(carrier, settings, posted)
    return bool(setting(settings, "receipt_token"))


def is_signed(carrier: str, posted: Posted, header: str) -> bool:
    """Return False: only the body tells whether a signature holds; ReceiptForged if there is none."""
    if not posted.headers.get(header):
        raise ReceiptForged(f"carrier {carrier}: the receipt is not signed")
    return False


def prove(carrier: str, expected: str, given: str, key: str) -> None:
    """Hold what was given to what is expected; ReceiptForged if it differs, or nothing is expected."""
    if not expected:
        raise ReceiptForged(f"carrier {carrier}: set {key}, or nobody can tell whose receipts these are")
    if not _is_same(expected, given):
        raise ReceiptForged(f"carrier {carrier}: the receipt does not prove whose it is")


def _is_same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def prove_mac(
    carrier: str, secret: str, key: str, message: bytes, given: str, *, algorithm: str, spelling: str = "hex"
) -> None:
    """Hold a signature to the HMAC of a message under the setting `key`; ReceiptForged if it differs."""
    prove_any_mac(carrier, secret, key, (message,), given, algorithm=algorithm, spelling=spelling)


def prove_any_mac(
    carrier: str,
    secret: str,
    key: str,
    messages: Iterable[bytes],
    given: str,
    *,
    algorithm: str,
    spelling: str = "hex",
) -> None:
    """Hold a signature to the HMACs of the messages that may have been signed; ReceiptForged if it fits none."""
    macs = (mac(algorithm, secret, message, spelling) for message in messages) if secret else iter(())
    if not any(_is_same(expected, given) for expected in macs):
        prove(carrier, secret, "", key)


def mac(algorithm: str, secret: str, message: bytes, spelling: str = "hex") -> str:
    """Return the HMAC of a message, in lower-case hex or in base64."""
    digest = hmac.digest(secret.encode(), message, algorithm)
    return digest.hex() if spelling == "hex" else base64.b64encode(digest).decode()
