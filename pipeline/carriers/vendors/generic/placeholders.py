"""Placeholders of request templates, `${to}` and the like; values are inserted once and never evaluated."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, quote_plus

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors.vendor_client import digits, seconds_left
from schema.carriage import Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Encoding

#: all placeholders; the digits forms have no plus
NAMES = frozenset(
    {"to", "to_digits", "from", "from_digits", "text", "ref", "segments", "encoding", "unicode", "class", "country"}
    | {"valid_until", "valid_seconds", "receipt_url", "carrier_ref", "dlt_entity_id", "dlt_content_id"}
)
#: placeholders for headers: nothing that a customer supplies
HEADER_NAMES = frozenset({"ref", "segments", "to_digits"})
_NAMED = re.compile(r"\$\{([a-z_]*)(?::([a-z0-9-]*))?\}")
_NAME = re.compile(r"[a-z_]{1,40}")

#: a value to insert: a number or boolean stays one where it is a whole JSON string
Value = str | int | bool

#: renderings, `${text:hex}`: the octets in UTF-8, in UTF-16 (big endian), in Latin-1
RENDERINGS: Mapping[str, Callable[[str], str]] = {
    "hex": lambda text: text.encode("utf-8", "surrogatepass").hex(),
    "utf16-hex": lambda text: text.encode("utf-16-be", "surrogatepass").hex(),
    "latin1-hex": lambda text: text.encode("latin-1", "replace").hex(),
    "upper-hex": lambda text: text.encode("utf-8", "surrogatepass").hex().upper(),
    "upper-utf16-hex": lambda text: text.encode("utf-16-be", "surrogatepass").hex().upper(),
}
#: default key of a value map
OTHERWISE = "*"
#: placeholders with a closed set of values: a map must have them all, or OTHERWISE
_CLOSED: Mapping[str, frozenset[str]] = {
    "encoding": frozenset(Encoding),
    "unicode": frozenset({"true", "false"}),
    "class": frozenset(MessageClass),
}


@dataclass(frozen=True, slots=True)
class Maps:
    """Placeholders defined by an operator: `{"coding": {"encoding": {"GSM7": "0", "UCS2": "8"}}}` makes `${coding}`."""

    #: name → the placeholder it depends on, and its value for each of that one's
    by_name: Mapping[str, tuple[str, Mapping[str, object]]]

    @classmethod
    def read(cls, options: SettingReader) -> "Maps":
        """Read the setting `values`; ConfigurationError names the invalid part."""
        given = options.mapping("values")
        return cls({name: _map(options, f"values.{name}", name, each) for name, each in given.items()})

    @property
    def names(self) -> frozenset[str]:
        """All placeholders for templates."""
        return NAMES | self.by_name.keys()

    @property
    def header_names(self) -> frozenset[str]:
        """All placeholders for headers: besides HEADER_NAMES those that depend on settings alone."""
        own = {name for name, (_, words) in self.by_name.items() if not any(map(_names_any, words.values()))}
        return HEADER_NAMES | own

    def fill(self, given: dict[str, Value]) -> dict[str, Value]:
        """Return values with those of the operator's placeholders."""
        for name, (source, words) in self.by_name.items():
            value = words.get(_spelt(given[source]), words.get(OTHERWISE, ""))
            given[name] = _text(value, given) if isinstance(value, str) else value if isinstance(value, int) else ""
        return given


def _map(options: SettingReader, key: str, name: str, given: object) -> tuple[str, Mapping[str, object]]:
    """Return one map; ConfigurationError names the invalid part."""
    if name in NAMES or not _NAME.fullmatch(name):
        raise options.unfit(key, "must be a new name, of lower-case letters and _")
    if not isinstance(given, Mapping) or len(given) != 1:
        raise options.unfit(key, 'must be an object of one name, {"encoding": {…}}')
    [(source, words)] = given.items()
    if source not in NAMES or not isinstance(words, Mapping):
        raise options.unfit(key, f"must depend on one of {', '.join(sorted(NAMES))}, with an object of its values")
    for word, value in words.items():
        if not isinstance(value, str | int):
            raise options.unfit(f"{key}.{source}.{word}", "must be text, a number or a boolean")
        check(options, f"{key}.{source}.{word}", value)
    missing = _CLOSED.get(source, frozenset({OTHERWISE})) - words.keys()
    if missing and OTHERWISE not in words:
        raise options.unfit(f"{key}.{source}", f"must have {', '.join(sorted(missing))}, or {OTHERWISE}")
    return source, {str(word): value for word, value in words.items()}


def _names_any(value: object) -> bool:
    return isinstance(value, str) and ("${" in value or not (value.isprintable() and value.isascii()))


def values(parcel: Parcel, now: datetime | None, receipt_url: str = "", carrier_ref: str = "") -> dict[str, Value]:
    """Return the placeholders' values for a parcel; missing ones are empty text."""
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
        "dlt_entity_id": "",
        "dlt_content_id": "",
    }


def url(template: str, given: Mapping[str, Value]) -> str:
    """Fill a URL: values are percent-encoded, so that none can change its structure."""
    return _NAMED.sub(lambda found: quote(_rendered(found, given), safe="", errors="surrogatepass"), template)


def header(template: str, given: Mapping[str, Value]) -> str:
    """Fill a header with its placeholders."""
    return _NAMED.sub(lambda found: _rendered(found, given), template)


def json_body(template: object, given: Mapping[str, Value]) -> bytes:
    """Fill a JSON value and return its bytes."""
    return json.dumps(_filled(template, given)).encode()


def form_body(template: Mapping[str, object], given: Mapping[str, Value]) -> bytes:
    """Fill a form's fields and return its bytes; a field that becomes empty is left out."""
    pairs = [(name, _spelt(_text(str(value), given))) for name, value in template.items()]
    return "&".join(
        f"{quote_plus(name)}={quote_plus(value, errors='surrogatepass')}" for name, value in pairs if value
    ).encode()


def bare(template: str) -> str:
    """Return a URL's template with its placeholders removed."""
    return _NAMED.sub("", template)


def check(options: SettingReader, key: str, template: object, names: frozenset[str] = NAMES) -> None:
    """Refuse a template with an unknown placeholder; ConfigurationError names the setting."""
    if isinstance(template, str):
        for name, rendering in _NAMED.findall(template):
            if name not in names:
                raise options.unfit(key, f"names ${{{name}}}, which is none of {', '.join(sorted(names))}")
            if rendering and rendering not in RENDERINGS:
                raise options.unfit(key, f"renders {name} as {rendering}, which is none of {', '.join(RENDERINGS)}")
        if "${" in _NAMED.sub("", template):
            raise options.unfit(key, "has an unclosed ${")
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
    if (alone := _NAMED.fullmatch(template)) and not alone[2]:
        return given[alone[1]]
    return _NAMED.sub(lambda found: _rendered(found, given), template)


def _rendered(found: re.Match[str], given: Mapping[str, Value]) -> str:
    text = _spelt(given[found[1]])
    return RENDERINGS[found[2]](text) if found[2] else text


def _spelt(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
