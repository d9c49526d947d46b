"""HTTP client for vendors' APIs: shared settings, requests, and the interpretation of responses.

A vendor's module creates a `VendorCarrier` from a `VendorConnection` (its address and the settings that all vendors
share), a function that writes a request and one that interprets a response.

Settings of every vendor: `base_url`, `window` (50 requests in flight), `connect_timeout` (3 s), `deadline` (10 s a
request), `call_deadline` (twice `deadline`, a portion), `ca_file` (PEM; the system's), `doubt` (may lower the vendor's
abilities: `blind`).
"""

import base64
import logging
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from pipeline.carriers.contract import NO_NOTES, SubmitNotes
from pipeline.carriers.http1 import Address, ConnectionPool, HttpClient, HttpFault, HttpResponse, request, retry_after
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import scalar_parsers, urls
from pipeline.carriers.vendors.dlt_registrations import NoDltId
from pipeline.rules.routing.retryable import OUTCOMES
from schema.carriage import Attempt, Parcel
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome, UnknownAbility

log = logging.getLogger(__name__)

#: content types
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
#: the longest wait a vendor may ask for, in seconds
LONGEST_WAIT = 3600.0
#: a code that may be stored: short, and too few digits in a row for a phone number
_CODE = re.compile(r"(?!.*\d{7})[A-Za-z0-9_.-]{1,40}")
_ID = re.compile(r"[!-~]{1,128}")
_LONG = re.compile(r"[0-9]{9,15}")

#: returns the HTTP request for one parcel at this time
Write = Callable[[Parcel, datetime], bytes]
#: returns the attempt for our reference, by its response
Judge = Callable[[UUID, HttpResponse], Attempt]


class VendorConnection:
    """The connection settings of one vendor."""

    def __init__(
        self,
        options: SettingReader,
        base_url: str | None = None,
        *,
        able: UnknownAbility = UnknownAbility.BLIND,
        key: str = "base_url",
    ) -> None:
        """Read the settings that every vendor has; ConfigurationError names the invalid one."""
        self.name = options.carrier
        base = options.text(key, base_url)
        if key == "base_url" and ("?" in base or "#" in base):
            raise options.unfit(key, "must end with its path")
        try:
            self.address = Address.parse(base.rstrip("/"))
        except ValueError as error:
            raise options.unfit(key, str(error)) from None
        deadline = options.number("deadline", 10, 0.05, 300)
        self.call_deadline = options.number("call_deadline", 2 * deadline, 1.1 * deadline, 900)
        self.unknown_ability = options.choice("doubt", UnknownAbility, able)
        if self.unknown_ability not in (able, UnknownAbility.BLIND):
            raise options.unfit("doubt", f"must be {' or '.join({str(able), 'blind'})}: the vendor supports no more")
        self._pool = ConnectionPool(
            self.address,
            window=options.whole("window", 50, 1, 1000),
            connect_timeout=options.number("connect_timeout", min(3, deadline), 0.05, deadline),
            deadline=deadline,
            call_deadline=self.call_deadline,
            tls=_tls(options),
        )

    def head(
        self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "POST", content: str = JSON
    ) -> bytes:
        """Return the head of a request to a path below the base URL, up to Content-Length."""
        below = "" if self.address.path == "/" else self.address.path
        return replace(self.address, path=below + path).head(headers or {}, method, content)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return a GET request."""
        return request(self.head(path, headers, method="GET", content=""), b"")

    def client(self) -> HttpClient:
        """Return the connection pool; nothing is connected yet."""
        return HttpClient(self._pool)


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """How a vendor is queried for the outcome of a message."""

    #: returns the query for a parcel, by the vendor's id or by our reference; None: there is no id to query by
    write: Callable[[Parcel, str | None], bytes | None]
    judge: Judge


@dataclass(frozen=True, slots=True)
class BalanceQuery:
    """How a vendor's balance is queried."""

    request: bytes
    #: returns balance and currency; None: not available
    read: Callable[[HttpResponse], tuple[Decimal, str] | None]


def _utc() -> datetime:
    return datetime.now(UTC)


class VendorCarrier:
    """A carrier with one vendor's API, and its connection pool."""

    def __init__(
        self,
        line: VendorConnection,
        write: Write,
        judge: Judge,
        *,
        question: StatusQuery | None = None,
        balance_query: BalanceQuery | None = None,
        clock: Callable[[], datetime] = _utc,
        dedupe_seconds: float = 0.0,
    ) -> None:
        self.name, self.call_deadline = line.name, line.call_deadline
        self.unknown_ability, self.dedupe_seconds = line.unknown_ability, dedupe_seconds
        self._write, self._judge, self._question, self._balance_query, self._clock = (
            write,
            judge,
            question,
            balance_query,
            clock,
        )
        self._client = line.client()

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        """Post the parcels; return one attempt for each, in their order, within `call_deadline` seconds."""
        return self.send_noting(parcels, NO_NOTES)

    def send_noting(self, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
        """Post as `send` does, and note each request and each result."""
        now = self._clock()
        written = [self._written(parcel, now) for parcel in parcels]
        places = [place for place, whole in enumerate(written) if whole is not None]
        judged: dict[int, Attempt] = {}

        def begins(turn: int) -> None:
            notes.submitting(places[turn])

        def ends(turn: int, result: HttpResponse | HttpFault) -> None:
            place = places[turn]
            judged[place] = self._attempt(parcels[place].ref, result)
            notes.answered(place, judged[place])

        may_submit = notes.may_submit
        may_begin = (lambda turn: may_submit(places[turn])) if may_submit else None
        notes.ready()
        results = self._client.post([whole for whole in written if whole is not None], begins, ends, may_begin)
        for place, result in zip(places, results, strict=True):
            if place not in judged:
                judged[place] = self._attempt(parcels[place].ref, result)
        return [judged.get(place) or unregistered(parcel.ref) for place, parcel in enumerate(parcels)]

    def query(self, parcels: Sequence[Parcel], carrier_refs: Sequence[str | None]) -> list[Attempt]:
        """Query the outcome of parcels sent before; unknown without an id or a response."""
        found = {parcel.ref: unknown(parcel.ref, "not_asked") for parcel in parcels}
        question = self._question
        if question is not None:
            written = [(p, question.write(p, ref)) for p, ref in zip(parcels, carrier_refs, strict=True)]
            asked = [(parcel.ref, whole) for parcel, whole in written if whole is not None]
            for (ref, _), result in zip(asked, self._client.post([whole for _, whole in asked]), strict=True):
                if isinstance(result, HttpFault):
                    found[ref] = unknown(ref, result.code)
                else:
                    found[ref] = self._judged(question.judge, ref, result)
        return [found[parcel.ref] for parcel in parcels]

    def balance(self) -> tuple[Decimal, str] | None:
        """Return the balance and its currency; None when it is not available."""
        if self._balance_query is None:
            return None
        [result] = self._client.post([self._balance_query.request])
        return None if isinstance(result, HttpFault) or result.status != 200 else self._balance_query.read(result)

    def close(self) -> None:
        """Close connections; idempotent."""
        self._client.close()

    def _written(self, parcel: Parcel, now: datetime) -> bytes | None:
        """Return a parcel's request; None: it lacks the DLT registration that its country requires."""
        try:
            return self._write(parcel, now)
        except NoDltId:
            return None

    def _attempt(self, ref: UUID, result: HttpResponse | HttpFault) -> Attempt:
        return lost(ref, result) if isinstance(result, HttpFault) else self._judged(self._judge, ref, result)

    def _judged(self, judge: Judge, ref: UUID, answer: HttpResponse) -> Attempt:
        """Return the attempt by a response; an unexpected one is unknown, and does not affect the others."""
        try:
            return judge(ref, answer)
        except Exception as error:  # noqa: BLE001 - the other messages' responses must still be recorded
            words = "carrier %(carrier)s: a response could not be interpreted: %(fault)s"
            log.error(words, {"carrier": self.name, "fault": type(error).__name__})
            return unknown(ref, "unreadable")


# Interpreting responses -------------------------------------------------------------------------------------------


def lost(ref: UUID, fault: HttpFault) -> Attempt:
    """Return the attempt of a request without a response."""
    return Attempt(ref, Outcome.UNKNOWN if fault.written else Outcome.NOT_WRITTEN, code=fault.code)


def unregistered(ref: UUID) -> Attempt:
    """Return the attempt of a message not sent for want of a DLT registration: another carrier may have it."""
    return Attempt(ref, Outcome.NOT_WRITTEN, code="no_dlt_id")


def accepted(ref: UUID, given: object, parts: Sequence[str] = ()) -> Attempt:
    """Return an accepted attempt if the vendor's id is valid; unknown otherwise."""
    id_ = given if isinstance(given, str) else "" if isinstance(given, bool) else scalar_parsers.spelt(given) or ""
    if _ID.fullmatch(id_):
        return Attempt(ref, Outcome.ACCEPTED, id_, parts=tuple(parts))
    return Attempt(ref, Outcome.UNKNOWN, code="unreadable", detail="accepted without an id")


def refused(ref: UUID, reason: RefusalReason, code: object, answer: HttpResponse) -> Attempt:
    """Return the attempt for a reason, with the vendor's code, where that may be stored."""
    return refused_as(ref, OUTCOMES[reason], code, answer, reason)


def refused_as(
    ref: UUID, outcome: Outcome, code: object, answer: HttpResponse, reason: RefusalReason | None = None
) -> Attempt:
    """Return a refused attempt with this outcome, with the vendor's code, where that may be stored."""
    status = f"http_{answer.status}"
    return Attempt(ref, outcome, code=storable_code(code) or status, detail=status, reason=reason)


def unknown(ref: UUID, code: str) -> Attempt:
    """Return an attempt with an unknown outcome."""
    return Attempt(ref, Outcome.UNKNOWN, code=code)


def unknown_response(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt of a response that is in no table: unknown."""
    return unknown(ref, f"http_{answer.status}" if answer.status // 100 != 2 else "unreadable")


def throttled(ref: UUID, answer: HttpResponse, seconds: float | None = None) -> Attempt:
    """Return the attempt of a 429: the carrier may have it again after Retry-After, or one second by default."""
    if seconds is None:
        seconds = retry_after(answer.headers)
    seconds = min(seconds, LONGEST_WAIT)
    return Attempt(
        ref, Outcome.REFUSED_TRANSIENT, code="throttled", detail=f"retry after {seconds:g} s", retry_after=seconds
    )


def storable_code(code: object) -> str | None:
    """Return a vendor's code as text, if it may be stored: short, and without a phone number."""
    text = "" if isinstance(code, bool) else scalar_parsers.spelt(code) or ""
    return text if _CODE.fullmatch(text) else None


# Building requests ----------------------------------------------------------------------------------------------


def form(head: bytes, fields: Mapping[str, str]) -> bytes:
    """Return a request with these fields as its form body."""
    return request(head, urlencode(fields, errors="surrogatepass").encode())


def basic(user: str, password: str) -> str:
    """Return the Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digits(number: str) -> str:
    """Return a number without its plus; a name unchanged."""
    return number.removeprefix("+")


def e164(sender: str) -> str:
    """Return a number with its plus; a short code or a name unchanged."""
    return f"+{sender}" if _LONG.fullmatch(sender) else sender


def seconds_left(parcel: Parcel, now: datetime, low: int, high: int) -> int | None:
    """Return the validity in seconds, within the vendor's limits; None: the vendor's default."""
    if parcel.valid_until is None:
        return None
    return min(high, max(low, int((parcel.valid_until - now).total_seconds())))


def money(amount: object, currency: object) -> tuple[Decimal, str] | None:
    """Return a balance from a vendor's values, None where the amount is invalid."""
    found = scalar_parsers.amount(amount)
    return None if found is None else (found, scalar_parsers.spelt(currency) or "")


def secret(options: SettingReader, key: str, default: str | None = None) -> str:
    """Take a header value: printable ASCII; without a default the key is required."""
    value = options.text(key, default)
    if not value.isascii():
        raise options.unfit(key, "must be ASCII")
    if default is None and not value:
        raise options.unfit(key, "is required")
    return value


def callback(options: SettingReader) -> str:
    """Take the URL for receipts, with `receipt_token` as its `token`, where it is set."""
    url, token = secret(options, "receipt_url", ""), secret(options, "receipt_token", "")
    if "#" in url:
        raise options.unfit("receipt_url", "must not have a fragment: vendors do not send it")
    return urls.with_query(url, {"token": token}) if url and token else url


def _tls(options: SettingReader) -> ssl.SSLContext | None:
    path = options.text("ca_file", "")
    try:
        return ssl.create_default_context(cafile=path) if path else None
    except OSError:
        raise options.unfit("ca_file", "must be a readable file of PEM certificates") from None
