"""Hostile HTTP requests: generated for each operation of an API's OpenAPI document, with the allowed responses."""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jsonschema_rs

from pipeline.dialects.registry import DIALECTS
from tests.api.raw_http import chunked
from tests.dialects.vendors import Vendor

#: part of each hostile value, so that a leak can be searched for
CANARY = "c4n4ry"
#: matches internals that no response may contain
TRACES = re.compile(rb"Traceback|File \\?\"|psycopg|sqlalchemy|pydantic|asyncio|\.py\b|0x[0-9a-f]{8}", re.IGNORECASE)
FORM = "application/x-www-form-urlencoded"
_HOLE = "@@hole@@"


@dataclass(frozen=True, slots=True)
class Attack:
    """One request, and which responses are allowed."""

    name: str
    method: str
    #: the path below the dialect's prefix
    path: bytes
    headers: Sequence[tuple[str, Any]]
    body: bytes | None = None
    #: whether it is valid after all, so that 2xx is allowed like 4xx
    legal: bool = False
    #: whether it is malformed HTTP, so that the server may close the connection
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value that is invalid in most fields."""

    name: str
    #: the value as JSON text
    raw: str
    #: whether it is invalid JSON, or text that cannot be stored: invalid in every field
    never: bool = False
    #: the value to validate against a schema; None: the parsed JSON
    shape: Any = None

    @property
    def read(self) -> Any:
        """Return the value to validate against a schema."""
        return json.loads(self.raw) if self.shape is None else self.shape


def _text(name: str, text: str, **more: Any) -> Value:
    return Value(name, json.dumps(text), **more)


VALUES = (
    Value("null", "null"),
    Value("true", "true"),
    Value("zero", "0"),
    Value("minus one", "-1"),
    Value("a fraction", "1.5"),
    Value("400 digits", "1" + 400 * "0", shape=10**15),
    Value("5,000 digits", 5000 * "9", shape=10**15),
    Value("1e999", "1e999", shape=1e300),
    Value("-1e999", "-1e999", shape=-1e300),
    Value("NaN", "NaN", never=True, shape=0.5),
    Value("Infinity", "-Infinity", never=True, shape=0.5),
    Value("an array", "[]"),
    Value("an object", "{}"),
    Value("arrays", "[[[[]]]]"),
    Value("a mixture", json.dumps([1, None, CANARY, {}])),
    Value("a thousand fields", json.dumps({f"{CANARY}{place}": place for place in range(1000)})),
    _text("empty", ""),
    _text("blanks", "   "),
    _text("long", 5000 * "x"),
    _text("NUL", f"a\x00{CANARY}"),
    _text("CRLF", f"a\r\nX-Evil: {CANARY}"),
    Value("a lone surrogate", '"\\ud800"', never=True, shape="x"),
    Value("surrogates the wrong way", '"a\\udc00\\ud800"', never=True, shape="x"),
    Value("half an escape", '"\\u12"', never=True, shape="x"),
    _text("a merge field", f"${{__class__}} {CANARY}"),
    _text("Go's template", "{{.__class__}} {{printf `%s` .}}"),
    _text("Python's format", "{0.__class__.__mro__}"),
    _text("Jinja", "{{7*7}}{%raw%}"),
    _text("printf", "%s%n%(x)s"),
    _text("SQL", f"'; DROP TABLE messages; -- {CANARY}"),
    _text("a path", "../../../../etc/passwd"),
    _text("an encoded path", "%2e%2e%2f%00%0d%0a"),
    _text("a script", f"<script>alert('{CANARY}')</script>"),
    _text("a look-up", "${jndi:ldap://127.0.0.1/a}"),
    _text("turned text", "\u202e\u2066\ufeff\u200b"),
    _text("emoji", 900 * "💥"),
    _text("other digits", "+٢٣٤٨٠١٢٣٤٥٦٧٨"),
    _text("a far date", "9999-12-31T23:59:59.999999Z"),
    _text("year nought", "0000-00-00T00:00:00Z"),
    _text("no date", "2026-02-30T25:61:61Z"),
    _text("a far zone", "2026-12-01T00:00:00+99:99"),
    _text("year 100000", "100000-01-01T00:00:00Z"),
    _text("a date in other digits", "٢٠٢٦-12-01T00:00:00Z"),
    _text("seconds", "99999999999999999999"),
    _text("our own cloud", "http://169.254.169.254/latest/meta-data"),
)

#: replaces an id, or is appended to a path
TAILS = (
    *(
        b"..",
        b"%2e%2e",
        b"..%2f..%2f",
        b"%2f",
        b"%00",
        b"a%00b",
        b"%",
        b"%zz",
        b"%ff%fe",
        b"%ed%a0%80",
        b"%0d%0aX-Evil:%20c4n4ry",
    ),
    *(
        b"%24%7B__class__%7D",
        b"${__class__}",
        b"{0.__class__}",
        b"{{.__class__}}",
        b"'%20OR%201=1--",
        b"%F0%9F%92%A9",
        b"*",
    ),
    *(
        b"-1",
        b"0",
        b"1e999",
        b"null",
        b"undefined",
        b"NaN",
        b"0" * 40,
        b"a" * 3000,
        b"%41" * 1000,
        b".",
        b"~",
        b";jsessionid=1",
    ),
    *(b"00000000-0000-0000-0000-000000000000", b"ffffffff-ffff-ffff-ffff-ffffffffffff", b"F" * 32, b"aps_" + b"z" * 27),
    *(b"ssd_" + b"0" * 27, b"tpl_ffffffff-ffff-ffff-ffff-ffffffffffff", b"{00000000-0000-0000-0000-000000000000}"),
    b"urn:uuid:00000000-0000-0000-0000-000000000000",
)

TYPES = (
    *("text/plain", "text/html; charset=utf-8", "multipart/form-data", "multipart/form-data; boundary=x", "image/png"),
    *(
        "application/xml",
        "application/x-python-pickle",
        "application/json, text/plain",
        "a/b/c",
        "/",
        "json",
        2000 * "x",
    ),
    *(
        "application/yaml",
        "application/octet-stream",
        "application/jsonp",
        "x-application/json",
        "APPLICATION/X-NDJSON",
    ),
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "LOCK", "SEARCH")


def bodies(valid: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Yield invalid bodies of any operation: a name, the bytes, and whether some parsers may accept them."""
    deep = 100_000
    yield "nothing", b"", False
    yield "blanks", b" \r\n\t ", False
    for name, raw in [("null", b"null"), ("true", b"true"), ("a number", b"7"), ("text", b'"x"'), ("an array", b"[]")]:
        yield name, raw, False
    yield "an array of it", b"[%b]" % valid, False
    yield "deep arrays", deep * b"[" + deep * b"]", False
    yield "deep objects", deep * b'{"a":' + b"1" + deep * b"}", False
    yield "deep and open", deep * b'[{"a":', False
    yield "deep in a field nobody knows", b'{"deep":' + 20_000 * b"[" + 20_000 * b"]" + b"," + valid[1:], True
    yield "bad UTF-8", valid[:-1] + b',"x":"\xff\xfe\xc0\x80"}', False
    yield "surrogates in UTF-8", valid[:-1] + b',"x":"\xed\xa0\x80"}', False
    yield "UTF-16", valid.decode().encode("utf-16"), True
    yield "a byte order mark", b"\xef\xbb\xbf" + valid, True
    yield "half of it", valid[: len(valid) // 2], False
    yield "twice", valid + valid, False
    yield "a tail", valid + b"\x00", False
    yield "single quotes", valid.replace(b'"', b"'") if valid != b"{}" else b"{'a':1}", False
    yield "a comment", b"/* c4n4ry */" + valid, False
    yield "a bare word", b"c4n4ry", False
    yield "a trailing comma", valid[:-1] + b',"x":1,}', False
    yield "only opened", b"{", False
    yield "a pickle", b"\x80\x04\x95\x0b\x00\x00\x00c4n4ry.", False
    yield "XML", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', False


@dataclass(slots=True)
class Target:
    """One API to attack, with its credentials and ids."""

    dialect: Vendor
    #: the headers of a valid key
    key: Sequence[tuple[str, str]]
    #: operation → a valid body
    valid: Mapping[str, Mapping[str, Any]]
    #: path prefix → the id of an existing resource
    ids: Mapping[str, str]
    #: ids of another account
    foreign: Sequence[str] = ()
    #: operation → fields whose errors are reported in a 200, or that are ignored
    forgiving: Mapping[str, Sequence[str]] = field(default_factory=dict)
    document: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.document = DIALECTS[self.dialect].document()

    def attacks(self) -> Iterator[Attack]:
        """Yield all attacks, the same in each run."""
        for path, item in self.document["paths"].items():
            methods = [word.upper() for word in item if word.upper() in METHODS]
            yield from self._methods(path, methods)
            for method in methods:
                operation = item[method.lower()]
                yield from self._paths(path, method, operation)
                yield from self._foreign(path, method, operation)
                content = operation.get("requestBody", {}).get("content", {})
                if "application/json" in content:
                    yield from self._fields(path, method, operation, content["application/json"]["schema"])
                    yield from self._bodies(path, method, operation)
                elif FORM in content:
                    yield from self._form(path, method, operation)

    # Attacks ----------------------------------------------------------------------------------------------------

    def _methods(self, path: str, methods: Sequence[str]) -> Iterator[Attack]:
        for method in METHODS:
            if method not in methods:
                yield Attack(f"method {method}", method, self._path(path), self.key, b"{}")

    def _paths(self, path: str, method: str, operation: Mapping[str, Any]) -> Iterator[Attack]:
        whole, body = self._path(path), self._body(operation)
        headers = [*self.key, *self._type(operation)]
        names = [word.strip("{}") for word in path.split("/") if word.startswith("{")]
        for tail in TAILS:
            yield Attack(f"after it {tail[:40]!r}", method, whole + b"/" + tail, headers, body)
            if names:
                yield Attack(f"as its id {tail[:40]!r}", method, self._path(path, tail), headers, body)
        for foreign in self.foreign if names else ():
            yield Attack(f"another account's {foreign}", method, self._path(path, foreign.encode()), headers, body)
        for name, odd in [
            ("two slashes", b"/" + whole),
            ("a slash within", whole.replace(b"/", b"//", 2)),
            ("dots", b"/." + whole),
        ]:
            yield Attack(name, method, odd, headers, body)
        yield Attack("a bare byte in its query", method, whole + b"?a=\xff", headers, body, broken=True)
        for query in (
            b"a=%ff",
            b"&" * 200,
            b"=" * 50,
            b"c4n4ry=" + b"x" * 3000,
            b"a=1&" * 300,
            b"${__class__}",
        ):
            yield Attack(f"a query {query[:20]!r}", method, whole + b"?" + query, headers, body, legal=True)

    def _foreign(self, path: str, method: str, operation: Mapping[str, Any]) -> Iterator[Attack]:
        """Yield requests with missing or malformed credentials."""
        whole, body, kind = self._path(path), self._body(operation), self._type(operation)
        if "security" in operation:  # the operation has other credentials
            return
        [(name, word)] = self.key
        twisted = (
            *(
                "",
                " ",
                "Bearer",
                "Bearer ",
                "Bearer  x",
                "Basic",
                "Basic %%%",
                "Basic Og==",
                "Basic w6k6w6k=",
                "TSA",
                "TSA :",
            ),
            *(
                "TSA a:b:c",
                "Digest username=c4n4ry",
                "Bearer null",
                "Bearer ${__class__}",
                "Bearer " + 3000 * "a",
            ),
            *(
                word[:-1],
                word + "x",
                word.swapcase(),
                word + ", " + word,
                word.encode() + b"\xff\xfe",
                "é".encode("latin-1"),
            ),
            "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJjNG40cnkifQ.",
        )
        for each in twisted:
            yield Attack(f"{name}: {each[:30]!r}", method, whole, [(name, each), *kind], body)
        yield Attack("a bare byte in its key", method, whole, [(name, word + "\x7f"), *kind], body, broken=True)
        yield Attack("no key", method, whole, kind, body)
        yield Attack("two keys", method, whole, [(name, word), (name, "Bearer x"), *kind], body)

    def _fields(
        self, path: str, method: str, operation: Mapping[str, Any], schema: Mapping[str, Any]
    ) -> Iterator[Attack]:
        validator = jsonschema_rs.validator_for({**schema, "components": self.document["components"]})
        valid, headers = self.valid.get(operation["operationId"], {}), [*self.key, *self._type(operation)]
        known = self._resolve(schema).get("properties", {})
        for place in dict.fromkeys([*_places(valid), *((name,) for name in known)]):
            forgiven = place[0] in self.forgiving.get(operation["operationId"], ())
            for value in VALUES:
                raw = json.dumps(_with(valid, place, _HOLE)).replace(json.dumps(_HOLE), value.raw)
                fits = not value.never and validator.is_valid(_with(valid, place, value.read))
                name = f"{'.'.join(map(str, place))}: {value.name}"
                # invalid JSON is always refused
                legal = fits or (forgiven and not value.never)
                yield Attack(name, method, self._path(path), headers, raw.encode(), legal=legal)
        for name in self._resolve(schema).get("required", []):
            without = {word: value for word, value in valid.items() if word != name}
            yield Attack(f"without {name}", method, self._path(path), headers, json.dumps(without).encode())

    def _bodies(self, path: str, method: str, operation: Mapping[str, Any]) -> Iterator[Attack]:
        valid, whole = self._body(operation) or b"{}", self._path(path)
        headers, optional = [*self.key, *self._type(operation)], not operation["requestBody"]["required"]
        for name, raw, legal in bodies(valid):
            may = legal or (optional and not raw)
            yield Attack(f"a body of {name}", method, whole, headers, raw, legal=may)
        for kind in TYPES:
            yield Attack(f"sent as {kind[:40]}", method, whole, [*self.key, ("Content-Type", kind)], valid)
        chunks = [*headers, ("Transfer-Encoding", "chunked")]
        single = chunked(*(valid[place : place + 1] for place in range(len(valid))))
        yield Attack("a byte at a time", method, whole, chunks, single, legal=True)
        yield Attack("no chunks", method, whole, chunks, chunked(), legal=optional)
        yield Attack("a chunk too long", method, whole, chunks, b"zz\r\n%b\r\n0\r\n\r\n" % valid, broken=True)
        again = valid[:-1] + b"," + valid[1:] if valid != b"{}" else b'{"a":1,"a":2}'
        yield Attack("every field twice", method, whole, headers, again, legal=True)
        yield Attack("said to be packed", method, whole, [*headers, ("Content-Encoding", "gzip")], valid, broken=True)
        yield Attack(
            "packed as nobody knows", method, whole, [*headers, ("Content-Encoding", CANARY)], valid, legal=True
        )

    def _form(self, path: str, method: str, operation: Mapping[str, Any]) -> Iterator[Attack]:
        valid, whole = dict(self.valid[operation["operationId"]]), self._path(path)
        schema = operation["requestBody"]["content"][FORM]["schema"]
        validator = jsonschema_rs.validator_for({**schema, "components": self.document["components"]})
        headers = [*self.key, *self._type(operation)]
        for name in self._resolve(schema)["properties"]:
            for value in VALUES:
                read = value.raw if value.shape else value.read
                read = (
                    json.loads(value.raw) if "surrogate" in value.name else read if isinstance(read, str) else value.raw
                )
                written = urlencode({**valid, name: read}, errors="surrogatepass")
                fits = "surrogate" not in value.name and validator.is_valid({**valid, name: read})
                yield Attack(f"{name}: {value.name}", method, whole, headers, written.encode(), legal=fits)
        broken = [
            b"",
            b"&&&&",
            b"=",
            b"%",
            b"phone_number",
            b"phone_number=%ff",
            b"a=1&" * 500,
            b"\xff\xfe=\xff",
            b'{"a":1}',
        ]
        for raw in broken:
            yield Attack(f"a form {raw[:20]!r}", method, whole, headers, raw)
        for kind in TYPES:
            sent = urlencode(valid).encode()
            yield Attack(f"sent as {kind[:40]}", method, whole, [*self.key, ("Content-Type", kind)], sent)
        yield Attack("as JSON", method, whole, [*self.key, ("Content-Type", "application/json")], b"{}")

    # Building requests ------------------------------------------------------------------------------------------

    def known(self, path: str) -> str:
        """Return the id of an existing resource below a path."""
        return self.ids[max((each for each in self.ids if path.startswith(each)), key=len)]

    def _path(self, path: str, id_: bytes | None = None) -> bytes:
        before, brace, after = path.partition("{")
        if not brace:
            return path.encode()
        return before.encode() + (self.known(path).encode() if id_ is None else id_) + after.partition("}")[2].encode()

    def _body(self, operation: Mapping[str, Any]) -> bytes | None:
        if "requestBody" not in operation:
            return None
        valid = self.valid.get(operation["operationId"], {})
        return (urlencode(valid) if FORM in operation["requestBody"]["content"] else json.dumps(valid)).encode()

    @staticmethod
    def _type(operation: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [("Content-Type", kind) for kind in operation.get("requestBody", {}).get("content", {})]

    def _resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in schema:
            return schema
        found: Mapping[str, Any] = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found


def drawn(attacks: Sequence[Attack], most: int, seed: int) -> list[Attack]:
    """Return up to `most` of the attacks, the same for the same seed."""
    return random.Random(seed).sample(attacks, min(most, len(attacks)))


def _places(thing: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in a body."""
    if before:
        yield before
    if isinstance(thing, Mapping):
        for name, inner in thing.items():
            yield from _places(inner, (*before, name))
    elif isinstance(thing, list) and thing:
        yield from _places(thing[0], (*before, 0))


def _with(thing: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a body with the value at `place` replaced."""
    if not place:
        return value
    first, *rest = place
    if isinstance(thing, list):
        return [_with(thing[0], tuple(rest), value), *thing[1:]]
    return {**thing, first: _with(thing.get(first), tuple(rest), value)}
