"""Requests to one HTTP API, and what their answers say: all that its vendor's file need not say itself.

A vendor's file makes a `Vendor` of a `Line` (its address, from the settings that all of them share), of one function
that writes a request and of one that judges an answer.

Settings of every line: `base_url`, `window` (50 requests in flight), `connect_timeout` (3 s), `deadline` (10 s a
request), `call_deadline` (twice `deadline`, a portion), `ca_file` (PEM; the system's), `doubt` (lower than the vendor's
own: `blind`).
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
from pipeline.carriers.vendors import scalars, urls
from pipeline.carriers.vendors.dlt_registrations import NoDltId
from pipeline.rules.routing.retryable import OUTCOMES
from schema.carriage import Attempt, Parcel
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome, UnknownAbility

log = logging.getLogger(__name__)

#: kinds of body
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
#: seconds a carrier may ask us to wait
LONGEST_WAIT = 3600.0
#: a code fit to be kept: short, and too few digits in a row for a number
_CODE = re.compile(r"(?!.*\d{7})[A-Za-z0-9_.-]{1,40}")
_ID = re.compile(r"[!-~]{1,128}")
_LONG = re.compile(r"[0-9]{9,15}")

#: writes the whole request of one parcel, as it is now
Write = Callable[[Parcel, datetime], bytes]
#: says what an answer means for the message with our reference
Judge = Callable[[UUID, HttpResponse], Attempt]


class VendorConnection:
    """The way to one vendor, as an operator set it."""

    def __init__(
        self,
        options: SettingReader,
        base_url: str | None = None,
        *,
        able: UnknownAbility = UnknownAbility.BLIND,
        key: str = "base_url",
    ) -> None:
        """Read the settings that every vendor has; ConfigurationError names the one that does not fit."""
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
        self.doubt = options.choice("doubt", UnknownAbility, able)
        if self.doubt not in (able, UnknownAbility.BLIND):
            raise options.unfit("doubt", f"must be {' or '.join({str(able), 'blind'})}: more this vendor cannot")
        self._lanes = ConnectionPool(
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
        """Return the head of a request to a path below the base URL, up to its body's length."""
        below = "" if self.address.path == "/" else self.address.path
        return replace(self.address, path=below + path).head(headers or {}, method, content)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return a whole request that only asks."""
        return request(self.head(path, headers, method="GET", content=""), b"")

    def client(self) -> HttpClient:
        """Return the window of connections; nothing is connected yet."""
        return HttpClient(self._lanes)


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """How a vendor is asked what became of a message."""

    #: writes the question about a parcel, by the vendor's reference or by ours; None: there is nothing to ask by
    write: Callable[[Parcel, str | None], bytes | None]
    judge: Judge


@dataclass(frozen=True, slots=True)
class BalanceQuery:
    """How a vendor is asked what is left to spend."""

    request: bytes
    #: returns balance and currency; None: it does not say
    read: Callable[[HttpResponse], tuple[Decimal, str] | None]


def _utc() -> datetime:
    return datetime.now(UTC)


class VendorCarrier:
    """One vendor's API, with its window of connections."""

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
        self.doubt, self.dedupe_seconds = line.doubt, dedupe_seconds
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
        """Send as `send` does, and note each request and each answer."""
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

        notes.ready()
        results = self._client.post([whole for whole in written if whole is not None], begins, ends)
        for place, result in zip(places, results, strict=True):
            if place not in judged:
                judged[place] = self._attempt(parcels[place].ref, result)
        return [judged.get(place) or unregistered(parcel.ref) for place, parcel in enumerate(parcels)]

    def ask(self, parcels: Sequence[Parcel], carrier_refs: Sequence[str | None]) -> list[Attempt]:
        """Ask what became of parcels sent before; unknown where there is nothing to ask by, or no answer."""
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
        """Return what is left to spend and its currency; None when the vendor does not say."""
        if self._balance_query is None:
            return None
        [result] = self._client.post([self._balance_query.request])
        return None if isinstance(result, HttpFault) or result.status != 200 else self._balance_query.read(result)

    def close(self) -> None:
        """Close connections; idempotent."""
        self._client.close()

    def _written(self, parcel: Parcel, now: datetime) -> bytes | None:
        """Return a parcel's request; None: it lacks the registration that its country wants."""
        try:
            return self._write(parcel, now)
        except NoDltId:
            return None

    def _attempt(self, ref: UUID, result: HttpResponse | HttpFault) -> Attempt:
        return lost(ref, result) if isinstance(result, HttpFault) else self._judged(self._judge, ref, result)

    def _judged(self, judge: Judge, ref: UUID, answer: HttpResponse) -> Attempt:
        """Return what an answer says; one of a form that nobody thought of says nothing, and spoils no other's."""
        try:
            return judge(ref, answer)
        except Exception as error:  # noqa: BLE001 - whatever it says, the others were taken or not
            log.error("carrier %s: one of its answers cannot be judged: %s", self.name, type(error).__name__)
            return unknown(ref, "unreadable")


# What an answer may mean -----------------------------------------------------------------------------------------


def lost(ref: UUID, fault: HttpFault) -> Attempt:
    """Return what it means that no answer came."""
    return Attempt(ref, Outcome.UNKNOWN if fault.written else Outcome.NOT_WRITTEN, code=fault.code)


def unregistered(ref: UUID) -> Attempt:
    """Return that it was not sent, as its country's operators would drop it: another carrier may have its ids."""
    return Attempt(ref, Outcome.NOT_WRITTEN, code="no_dlt_id")


def accepted(ref: UUID, given: object, parts: Sequence[str] = ()) -> Attempt:
    """Return that the vendor took it, if what it gave is a reference; unknown otherwise."""
    id_ = given if isinstance(given, str) else "" if isinstance(given, bool) else scalars.spelt(given) or ""
    if _ID.fullmatch(id_):
        return Attempt(ref, Outcome.ACCEPTED, id_, parts=tuple(parts))
    return Attempt(ref, Outcome.UNKNOWN, code="unreadable", detail="accepted without an id")


def refused(ref: UUID, reason: RefusalReason, code: object, answer: HttpResponse) -> Attempt:
    """Return what a reason means for the message, with the vendor's code, where that is fit to be kept."""
    return refused_as(ref, OUTCOMES[reason], code, answer, reason)


def refused_as(
    ref: UUID, outcome: Outcome, code: object, answer: HttpResponse, reason: RefusalReason | None = None
) -> Attempt:
    """Return a refusal of an outcome, with the vendor's code, where that is fit to be kept."""
    status = f"http_{answer.status}"
    return Attempt(ref, outcome, code=fit(code) or status, detail=status, reason=reason)


def unknown(ref: UUID, code: str) -> Attempt:
    """Return that the message may have been taken."""
    return Attempt(ref, Outcome.UNKNOWN, code=code)


def unclear(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return what an answer means that no table knows: nothing for sure."""
    return unknown(ref, f"http_{answer.status}" if answer.status // 100 != 2 else "unreadable")


def throttled(ref: UUID, answer: HttpResponse, seconds: float | None = None) -> Attempt:
    """Return what 429 says: the same carrier may have it in so many seconds, those of Retry-After, or one if unsaid."""
    if seconds is None:
        seconds = retry_after(answer.headers)
    seconds = min(seconds, LONGEST_WAIT)
    return Attempt(
        ref, Outcome.REFUSED_TRANSIENT, code="throttled", detail=f"retry after {seconds:g} s", retry_after=seconds
    )


def fit(code: object) -> str | None:
    """Return a vendor's code as text, if it is fit to be kept: short, and no number of anybody's."""
    text = "" if isinstance(code, bool) else scalars.spelt(code) or ""
    return text if _CODE.fullmatch(text) else None


# How a request is spelt -----------------------------------------------------------------------------------------


def form(head: bytes, fields: Mapping[str, str]) -> bytes:
    """Return a whole request with these fields as its body."""
    return request(head, urlencode(fields, errors="surrogatepass").encode())


def basic(user: str, password: str) -> str:
    """Return the Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digits(number: str) -> str:
    """Return a number without its plus; a name as it is."""
    return number.removeprefix("+")


def e164(sender: str) -> str:
    """Return a number with its plus; a short code or a name as it is."""
    return f"+{sender}" if _LONG.fullmatch(sender) else sender


def seconds_left(parcel: Parcel, now: datetime, low: int, high: int) -> int | None:
    """Return for how many seconds the vendor may try, within its limits; None: as long as it likes."""
    if parcel.valid_until is None:
        return None
    return min(high, max(low, int((parcel.valid_until - now).total_seconds())))


def money(amount: object, currency: object) -> tuple[Decimal, str] | None:
    """Return a balance as a vendor spells it, None where that is no amount."""
    found = scalars.amount(amount)
    return None if found is None else (found, scalars.spelt(currency) or "")


def secret(options: SettingReader, key: str, default: str | None = None) -> str:
    """Take what goes into a header: printable ASCII; without a default the key is required."""
    value = options.text(key, default)
    if not value.isascii():
        raise options.unfit(key, "must be ASCII")
    if default is None and not value:
        raise options.unfit(key, "is required")
    return value


def callback(options: SettingReader) -> str:
    """Take the URL that the vendor is to post to, with `receipt_token` as its `token`, where there is one."""
    url, token = secret(options, "receipt_url", ""), secret(options, "receipt_token", "")
    if "#" in url:
        raise options.unfit("receipt_url", "must not have a fragment: this vendor would not understand it")
    return urls.with_query(url, {"token": token}) if url and token else url


def _tls(options: SettingReader) -> ssl.SSLContext | None:
    path = options.text("ca_file", "")
    try:
        return ssl.create_default_context(cafile=path) if path else None
    except OSError:
        raise options.unfit("ca_file", "must be a readable file of PEM certificates") from None
