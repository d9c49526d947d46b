"""Request templates of a generic vendor: to send a message, query its status, and query the balance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from pipeline.carriers.http1 import Address, HttpResponse, request
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from pipeline.carriers.vendors.dlt_registrations import NOTHING, Registrations
from pipeline.carriers.vendors.generic import placeholders
from pipeline.carriers.vendors.generic.placeholders import Maps
from pipeline.carriers.vendors.generic.response_rules import ResponseRules
from pipeline.carriers.vendors.vendor_client import FORM, JSON, BalanceQuery, StatusQuery, money
from schema.carriage import Parcel

METHODS = ("POST", "GET", "PUT")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: headers that an operator may not set
_OURS = frozenset({"content-length", "content-type", "host", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class RequestTemplates:
    """One request with placeholders."""

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
        options: SettingReader,
        key: str,
        there: Address,
        headers: Mapping[str, str],
        maps: Maps,
        receipt_url: str = "",
        registered: Registrations = NOTHING,
    ) -> "RequestTemplates":
        """Read it from settings; ConfigurationError names the invalid one."""
        url = options.text("url")
        placeholders.check(options, f"{key}url", url, maps.names)
        _address(options, f"{key}url", url, there)
        method = options.text("method", "GET" if key else "POST")
        if method not in METHODS:
            raise options.unfit(f"{key}method", f"must be one of {', '.join(METHODS)}")
        body, form = options.mapping("body"), options.mapping("form")
        if body and form:
            raise options.unfit(f"{key}form", "excludes body")
        placeholders.check(options, key + ("form" if form else "body"), form or body, maps.names)
        content = FORM if form else JSON if body else ""
        return cls(there, url, method, headers, content, form or body, receipt_url, maps, registered)

    def write(self, parcel: Parcel, now: datetime | None, carrier_ref: str = "") -> bytes:
        """Return the request for one parcel; NoDltId if it needs ids in India and has none."""
        found = placeholders.values(parcel, now, self.receipt_url, carrier_ref)
        if ids := self.registered.of(parcel):
            found |= {"dlt_entity_id": ids.entity, "dlt_content_id": ids.content}
        given = self.maps.fill(found)
        parts = urlsplit(placeholders.url(self.url, given))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {name: placeholders.header(value, given) for name, value in self.headers.items()}
        head = replace(self.there, path=path).head(headers, self.method, self.content)
        if self.content == FORM:
            return request(head, placeholders.form_body(self.body, given))
        return request(head, placeholders.json_body(self.body, given) if self.content else b"")


def headers_of(options: SettingReader, maps: Maps) -> dict[str, str]:
    """Read the headers; ConfigurationError names the invalid one."""
    headers = options.mapping("headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            raise options.unfit(f"headers.{name}", "is malformed or reserved")
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise options.unfit(f"headers.{name}", "must be printable ASCII")
        placeholders.check(options, f"headers.{name}", value, maps.header_names)
    return {name: str(value) for name, value in headers.items()}


def status_query(
    name: str, given: Mapping[str, object], there: Address, headers: Mapping[str, str], maps: Maps
) -> StatusQuery:
    """Return the status query; ConfigurationError names the invalid setting."""
    options = SettingReader(name, given)
    templates = RequestTemplates.read(options, "ask.", there, headers, maps)
    answers = ResponseRules(options, "ask.answers", options.mapping("answers"))
    options.finish()
    by_theirs = "${carrier_ref}" in f"{templates.url} {templates.body}"

    def write(parcel: Parcel, carrier_ref: str | None) -> bytes | None:
        return None if by_theirs and not carrier_ref else templates.write(parcel, None, carrier_ref or "")

    return StatusQuery(write, answers.judge_status)


def balance_query(name: str, given: Mapping[str, object], there: Address, headers: Mapping[str, str]) -> BalanceQuery:
    """Return the balance query; ConfigurationError names the invalid setting."""
    options = SettingReader(name, given)
    url, amount, currency = options.text("url"), options.text("amount"), options.text("currency", "")
    placeholders.check(options, "balance.url", url, frozenset())
    address = _address(options, "balance.url", url, there)
    options.finish()

    def read_balance(answer: HttpResponse) -> tuple[Decimal, str] | None:
        body = posted_receipts.parsed(answer.body)
        return money(posted_receipts.at(body, amount), posted_receipts.at(body, currency) or currency)

    plain = {key: value for key, value in headers.items() if "${" not in value}
    return BalanceQuery(request(address.head(plain, "GET", ""), b""), read_balance)


def _address(options: SettingReader, key: str, url: str, there: Address) -> Address:
    """Return the address of a URL; ConfigurationError unless it is on the carrier's one host."""
    try:
        found = Address.parse(placeholders.bare(url))
    except ValueError as error:
        raise options.unfit(key, str(error)) from None
    if (found.authority, found.tls) != (there.authority, there.tls):
        raise options.unfit(key, "must have the host of url")
    return found
