"""An operator's requests: one that sends, one that asks, one that looks into the purse."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from pipeline.carriers.http1 import Address, Answer, request
from pipeline.carriers.options import Options
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.dlt import NOTHING, Registrations
from pipeline.carriers.vendors.exchange import FORM, JSON, Purse, Question, money
from pipeline.carriers.vendors.generic import template
from pipeline.carriers.vendors.generic.answers import Answers
from pipeline.carriers.vendors.generic.template import Maps
from schema.carriage import Parcel

METHODS = ("POST", "GET", "PUT")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: headers that are ours to write
_OURS = frozenset({"content-length", "content-type", "host", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class Sheet:
    """One request as an operator wrote it down."""

    there: Address
    url: str
    method: str
    headers: Mapping[str, str]
    content: str
    body: Mapping[str, object]
    receipt_url: str
    maps: Maps
    registered: Registrations

    @classmethod
    def read(
        cls,
        options: Options,
        key: str,
        there: Address,
        headers: Mapping[str, str],
        maps: Maps,
        receipt_url: str = "",
        registered: Registrations = NOTHING,
    ) -> "Sheet":
        """Read it from settings; ConfigurationError names the one that does not fit."""
        url = options.text("url")
        template.check(options, f"{key}url", url, maps.names)
        _address(options, f"{key}url", url, there)
        method = options.text("method", "GET" if key else "POST")
        if method not in METHODS:
            raise options.unfit(f"{key}method", f"must be one of {', '.join(METHODS)}")
        body, form = options.mapping("body"), options.mapping("form")
        if body and form:
            raise options.unfit(f"{key}form", "cannot be there with body")
        template.check(options, key + ("form" if form else "body"), form or body, maps.names)
        content = FORM if form else JSON if body else ""
        return cls(there, url, method, headers, content, form or body, receipt_url, maps, registered)

    def write(self, parcel: Parcel, now: datetime | None, carrier_ref: str = "") -> bytes:
        """Return the request of one parcel; NoDltId if it must have ids in India and has none."""
        found = template.values(parcel, now, self.receipt_url, carrier_ref)
        if ids := self.registered.of(parcel):
            found |= {"dlt_entity_id": ids.entity, "dlt_content_id": ids.content}
        given = self.maps.fill(found)
        parts = urlsplit(template.url(self.url, given))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {name: template.header(value, given) for name, value in self.headers.items()}
        head = replace(self.there, path=path).head(headers, self.method, self.content)
        if self.content == FORM:
            return request(head, template.form_body(self.body, given))
        return request(head, template.json_body(self.body, given) if self.content else b"")


def headers_of(options: Options, maps: Maps) -> dict[str, str]:
    """Take the headers; ConfigurationError names the one that does not fit."""
    headers = options.mapping("headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            raise options.unfit(f"headers.{name}", "is no header of yours to set")
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise options.unfit(f"headers.{name}", "must be printable ASCII")
        template.check(options, f"headers.{name}", value, maps.header_names)
    return {name: str(value) for name, value in headers.items()}


def question(
    name: str, given: Mapping[str, object], there: Address, headers: Mapping[str, str], maps: Maps
) -> Question:
    """Return how the vendor is asked; ConfigurationError names the setting that does not fit."""
    options = Options(name, given)
    sheet = Sheet.read(options, "ask.", there, headers, maps)
    answers = Answers(options, "ask.answers", options.mapping("answers"))
    options.finish()
    by_theirs = "${carrier_ref}" in f"{sheet.url} {sheet.body}"

    def write(parcel: Parcel, carrier_ref: str | None) -> bytes | None:
        return None if by_theirs and not carrier_ref else sheet.write(parcel, None, carrier_ref or "")

    return Question(write, answers.told)


def purse(name: str, given: Mapping[str, object], there: Address, headers: Mapping[str, str]) -> Purse:
    """Return how the vendor is asked for its balance; ConfigurationError names the setting that does not fit."""
    options = Options(name, given)
    url, amount, currency = options.text("url"), options.text("amount"), options.text("currency", "")
    template.check(options, "balance.url", url, frozenset())
    address = _address(options, "balance.url", url, there)
    options.finish()

    def read_balance(answer: Answer) -> tuple[Decimal, str] | None:
        body = posts.parsed(answer.body)
        return money(posts.at(body, amount), posts.at(body, currency) or currency)

    plain = {key: value for key, value in headers.items() if "${" not in value}
    return Purse(request(address.head(plain, "GET", ""), b""), read_balance)


def _address(options: Options, key: str, url: str, there: Address) -> Address:
    """Return where a URL leads; ConfigurationError unless that is the carrier's one host."""
    try:
        found = Address.parse(template.bare(url))
    except ValueError as error:
        raise options.unfit(key, str(error)) from None
    if (found.authority, found.tls) != (there.authority, there.tls):
        raise options.unfit(key, "must go to the host of url")
    return found
