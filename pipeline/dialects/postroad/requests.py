"""Parses requests for messages: JSON into an order, and query strings of lists, or all errors found.

Unknown fields and parameters are errors, so that a misspelt one is noticed.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from pipeline.dialects.contract import fields
from pipeline.rules.numbers import phones
from schema import order_reader
from schema.api import ApiKey, ApiRequest
from schema.message import Refusal
from schema.order import Order
from schema.value_class import value_class
from schema.vocabulary import Code, Status

#: messages of one page: by default, and at most
PAGE, MOST = 50, 200
#: recipients of one page as CSV, unless fewer are asked for
MOST_LINES = 5000
#: most characters of an idempotency key
MOST_KEY = 255
#: pattern of a message list's cursor, and of that of inbound messages
CURSOR = "[0-9a-f]{32,46}"

#: fields of an order that are not this API's, or that it sets itself
_OWN = ("account", "door", "idempotency_key", "message_class", "submitted_at")
_KEY_WORDS = f"must have 1 to {MOST_KEY} printable characters"
_PAGING = ("limit", "cursor", "since", "until")
_COUNTRY = re.compile(r"[A-Z]{2}")
_FILTERS = ("status", "sender", "request", "campaign", "to", "country", "correlation_id", "test")


def read_key(call: ApiRequest) -> str | Refusal | None:
    """Return the Idempotency-Key header, None without one, or what is wrong with it; quotes around it are optional.

    Source: draft-ietf-httpapi-idempotency-key-header, section 2.1, by which the key is a quoted string.
    """
    word = call.headers.get("idempotency-key")
    if word is None:
        return None
    key = word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word
    is_key = 1 <= len(key) <= MOST_KEY and key.isprintable()
    return key if is_key else Refusal(Code.INVALID_FIELD, _KEY_WORDS, "Idempotency-Key")


def read_object(call: ApiRequest) -> dict[str, Any] | Refusal:
    """Return the JSON object of a body, or what is wrong with it."""
    media = call.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        return Refusal(Code.MEDIA_UNKNOWN, "send application/json")
    try:
        found = from_json(call.body, allow_inf_nan=False)
    except ValueError:
        return Refusal(Code.BAD_JSON, "the body is not valid JSON")
    return found if isinstance(found, dict) else Refusal(Code.INVALID_FIELD, "the body must be a JSON object")


def read_order(call: ApiRequest, key: ApiKey, idempotency_key: str | None, now: datetime) -> Order | list[Refusal]:
    """Return the order of `POST /v1/messages`, or all errors; with a test key it is a test."""
    found = read_object(call)
    if isinstance(found, Refusal):
        return [found]
    unknown = [Refusal(Code.INVALID_FIELD, "this field is unknown", name) for name in _OWN if name in found]
    given = {name: value for name, value in found.items() if name not in _OWN} | {
        "account": key.owner,
        "door": "postroad.test.send" if key.test else "postroad.send",
        "idempotency_key": idempotency_key,
        "submitted_at": now,
    }
    if key.test and isinstance(given.get("test", True), bool):
        given["test"] = True
    order = order_reader.read(given)
    if isinstance(order, list):
        return [*unknown, *order]
    return unknown or order


def read_id(word: str) -> UUID | None:
    """Return the UUID in a path or query, or None if it is invalid."""
    try:
        return UUID(word)
    except ValueError:
        return None


# Query strings --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for."""

    limit: int
    cursor: str | None
    #: from this time on, and before that one; None: any
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class RowPage:
    """Which recipients of a campaign are asked for."""

    limit: int
    #: those after this line
    after: int
    #: as CSV instead of JSON
    is_csv: bool


@value_class
class MessageSearch:
    """The parameters of `GET /v1/messages`."""

    paging: Paging
    status: Status | None
    sender: str | None
    request: UUID | None
    #: name or id
    campaign: str | None
    #: E.164
    to: str | None
    correlation_id: str | None
    #: None: as the key is
    test: bool | None


def read_paging(call: ApiRequest) -> Paging | list[Refusal]:
    """Return the paging of a query string without other parameters, or all errors."""
    query = _Query.of(call, _PAGING)
    if isinstance(query, Refusal):
        return [query]
    paging = query.paging()
    return query.faults or paging


def read_cursor(call: ApiRequest) -> tuple[int, UUID | None] | list[Refusal]:
    """Return limit and cursor of a list whose cursors are ids, or all errors."""
    query = _Query.of(call, ("limit", "cursor"))
    if isinstance(query, Refusal):
        return [query]
    found = query.paging().limit, query.id("cursor")
    return query.faults or found


def read_rows(call: ApiRequest) -> RowPage | list[Refusal]:
    """Return which recipients of a campaign are asked for, and how, or all errors."""
    query = _Query.of(call, ("limit", "cursor", "format"))
    if isinstance(query, Refusal):
        return [query]
    asked = query.word("format", ("json", "csv"))
    is_csv = asked == "csv" if asked else _prefers_csv(call.headers.get("accept", ""))
    limit = query.limit(MOST_LINES, MOST_LINES) if is_csv else query.limit(PAGE, MOST)
    after = query.text("cursor") or "0"
    if not (after.isascii() and after.isdecimal() and len(after) < 10):
        return [*query.faults, Refusal(Code.INVALID_FIELD, "this cursor is none of ours", "cursor")]
    return query.faults or RowPage(limit, int(after), is_csv)


def _prefers_csv(accept: str) -> bool:
    """Return whether an Accept header names CSV and not JSON."""
    named = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
    return "text/csv" in named and "application/json" not in named


def read_search(call: ApiRequest) -> MessageSearch | list[Refusal]:
    """Return the parameters of `GET /v1/messages`, or all errors."""
    query = _Query.of(call, (*_PAGING, *_FILTERS))
    if isinstance(query, Refusal):
        return [query]
    test = query.word("test", ("true", "false"))
    status = query.word("status", tuple(map(str, Status)))
    found = MessageSearch(
        paging=query.paging(),
        status=Status(status) if status else None,
        sender=query.text("sender"),
        request=query.id("request"),
        campaign=query.text("campaign"),
        to=query.phone("to", "country"),
        correlation_id=query.text("correlation_id"),
        test=None if test is None else test == "true",
    )
    return query.faults or found


class _Query:
    """The parameters of a query string, and the errors found in them so far. Empty ones count as absent."""

    def __init__(self, given: Mapping[str, str], known: Collection[str]) -> None:
        self._given = given
        words = f"this parameter is unknown; known are {', '.join(known)}"
        self.faults = [
            Refusal(Code.INVALID_FIELD, words, order_reader.printable(name)) for name in given if name not in known
        ]

    @classmethod
    def of(cls, call: ApiRequest, known: Collection[str]) -> "_Query | Refusal":
        """Return the parameters of a request's query string, or the error if it cannot be read."""
        try:
            return cls(fields(call.query), known)
        except ValueError:
            return Refusal(Code.INVALID_FIELD, "the query string cannot be read")

    def paging(self) -> Paging:
        """Return limit, cursor and times."""
        return Paging(self.limit(PAGE, MOST), self.text("cursor"), self._time("since"), self._time("until"))

    def text(self, name: str) -> str | None:
        """Return a text that PostgreSQL can store, or None."""
        word = self._given.get(name) or None
        if word and "\x00" in word:
            self._fault(name, "must not hold NUL")
        return word

    def word(self, name: str, known: Collection[str]) -> str | None:
        """Return one of the known words, or None."""
        word = self._given.get(name) or None
        if word is None or word in known:
            return word
        self._fault(name, f"must be one of {', '.join(known)}")
        return None

    def id(self, name: str) -> UUID | None:
        """Return a UUID, or None."""
        word = self._given.get(name) or None
        found = read_id(word) if word else None
        if word and found is None:
            self._fault(name, "must be a UUID")
        return found

    def phone(self, name: str, region: str) -> str | None:
        """Return a number as E.164, or None; without a plus it is one of the country in the parameter `region`."""
        word, country = self._given.get(name) or None, self._given.get(region) or None
        if country is not None and not _COUNTRY.fullmatch(country):
            self._fault(region, "must be an ISO 3166-1 alpha-2 code in capitals, such as NG")
            return None
        if word is None:
            if country is not None:
                self._fault(region, f"is the country of the number in {name!r}, which is missing")
            return None
        # the plus of a query string may have become a blank
        spelt = f"+{word[1:]}" if word.startswith(" ") else word
        [found] = phones.normalise([spelt], country)
        if found is None:
            self._fault(name, phones.phone_fault(spelt, country))
        return found.e164 if found else None

    def limit(self, usual: int, most: int) -> int:
        """Return how many items are asked for."""
        word = self._given.get("limit") or str(usual)
        if word.isascii() and word.isdecimal() and len(word) <= len(str(most)) and 1 <= int(word) <= most:
            return int(word)
        self._fault("limit", f"must be a number from 1 to {most}")
        return usual

    def _time(self, name: str) -> datetime | None:
        word = self._given.get(name) or None
        found = _time(word) if word else None
        if word and found is None:
            self._fault(name, _TIME)
        return found

    def _fault(self, name: str, words: str) -> None:
        self.faults.append(Refusal(Code.INVALID_FIELD, words, name))


def _time(word: str) -> datetime | None:
    """Return a time with its zone in UTC; None: it is none. The plus of a zone may have become a blank."""
    try:
        found = datetime.fromisoformat(word.replace(" ", "+"))
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


_TIME = "must be an ISO 8601 date and time with its zone, such as 2027-03-01T09:00:00Z"
