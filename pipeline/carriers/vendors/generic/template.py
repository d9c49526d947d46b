"""An operator's template of a request: `${to}` and the like, filled with data that is never looked at again."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, quote_plus

from pipeline.carriers.options import Options
from pipeline.carriers.vendors.exchange import digits, seconds_left
from schema.carriage import Parcel
from schema.vocabulary import Encoding

#: what a template may name; the digits forms have no plus
NAMES = frozenset(
    {"to", "to_digits", "from", "from_digits", "text", "ref", "segments", "encoding", "unicode", "class", "country"}
    | {"valid_until", "valid_seconds", "receipt_url", "carrier_ref"}
)
#: what a header may name: nothing that comes from outside
HEADER_NAMES = frozenset({"ref", "segments", "to_digits"})
_NAMED = re.compile(r"\$\{([a-z_]*)\}")

#: a value as it is filled in: a number or a truth stays one where it is all that a JSON string holds
Value = str | int | bool


def values(parcel: Parcel, now: datetime | None, receipt_url: str = "", carrier_ref: str = "") -> dict[str, Value]:
    """Return what a parcel's template is filled with; what there is not is empty text."""
    seconds = seconds_left(parcel, now, 1, 31 * 86_400) if now else None
    return {
        "to": parcel.to,
        "to_digits": digits(parcel.to),
        "from": parcel.sender,
        "from_digits": digits(parcel.sender),
        "text": parcel.body,
        "ref": str(parcel.ref),
        "segments": parcel.segments,
        "encoding": str(parcel.encoding),
        "unicode": parcel.encoding is Encoding.UCS2,
        "class": str(parcel.message_class),
        "country": parcel.country,
        "valid_until": parcel.valid_until.isoformat() if parcel.valid_until else "",
        "valid_seconds": "" if seconds is None else seconds,
        "receipt_url": receipt_url,
        "carrier_ref": carrier_ref,
    }


def url(template: str, given: Mapping[str, Value]) -> str:
    """Fill a URL: every value percent-encoded, so that none can leave its place."""
    return _NAMED.sub(lambda found: quote(_spelt(given[found[1]]), safe="", errors="surrogatepass"), template)


def header(template: str, given: Mapping[str, Value]) -> str:
    """Fill a header: only with what HEADER_NAMES has."""
    return _NAMED.sub(lambda found: _spelt(given[found[1]]), template)


def json_body(template: object, given: Mapping[str, Value]) -> bytes:
    """Fill a JSON value and return its bytes."""
    return json.dumps(_filled(template, given)).encode()


def form_body(template: Mapping[str, object], given: Mapping[str, Value]) -> bytes:
    """Fill a form's fields and return its bytes; a field that comes out empty is left out."""
    pairs = [(name, _spelt(_text(str(value), given))) for name, value in template.items()]
    return "&".join(
        f"{quote_plus(name)}={quote_plus(value, errors='surrogatepass')}" for name, value in pairs if value
    ).encode()


def bare(template: str) -> str:
    """Return a URL's template with nothing filled in."""
    return _NAMED.sub("", template)


def check(options: Options, key: str, template: object, names: frozenset[str] = NAMES) -> None:
    """Refuse a template that names what there is not; ConfigurationError names the setting."""
    if isinstance(template, str):
        for name in _NAMED.findall(template):
            if name not in names:
                raise options.unfit(key, f"names ${{{name}}}, which is none of {', '.join(sorted(names))}")
        if "${" in _NAMED.sub("", template):
            raise options.unfit(key, "has a ${ that is not closed")
    elif isinstance(template, Mapping):
        for name, member in template.items():
            check(options, f"{key}.{name}", member, names)
    elif isinstance(template, list):
        for place, member in enumerate(template):
            check(options, f"{key}.{place}", member, names)


def _filled(template: object, given: Mapping[str, Value]) -> object:
    if isinstance(template, str):
        return _text(template, given)
    if isinstance(template, Mapping):
        return {name: _filled(member, given) for name, member in template.items()}
    if isinstance(template, list):
        return [_filled(member, given) for member in template]
    return template


def _text(template: str, given: Mapping[str, Value]) -> Value:
    if alone := _NAMED.fullmatch(template):
        return given[alone[1]]
    return _NAMED.sub(lambda found: _spelt(given[found[1]]), template)


def _spelt(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
