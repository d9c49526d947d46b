"""A carrier that speaks our simulator's small JSON API over HTTP/1.1, and the pattern for any vendor that posts JSON.

    POST {base_url}/{carrier}/messages
    {"ref", "to", "from", "text", "encoding": "GSM7|UCS2", "segments", "valid_until"?, "receipt_url"?}

    202 {"id": "…"}                                       accepted
    400, 422 … {"error": {"code", "message"}}             refused for good
    401, 403, 404, 405, 408 with such a body              refused for now: our settings are at fault, not the message
    429 (Retry-After: seconds); 503 with such a body      refused for now
    anything else, and an answer that cannot be read      unknown: the message may have been taken

Receipts come as a POST to `receipt_url`, one object or an array of up to 100, with `Authorization: Bearer {token}`:

    {"id", "ref", "status": "delivered|failed|pending", "code", "at": ISO 8601}

Settings: `base_url` (required); `carrier` (our name for it; its name over there), `token` (sent as a bearer), `window`
(50 requests in flight), `connect_timeout` (3 s), `deadline` (10 s a request), `call_deadline` (twice `deadline`, a
portion), `ca_file` (PEM; the system's), `receipt_url`, `receipt_token`.
"""

import hmac
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import Address, Answer, Client, Fault, Lanes, request
from pipeline.carriers.options import Options
from schema.carriage import Attempt, Heard, Parcel, Posted, Receipt
from schema.vocabulary import Doubt, Outcome, Verdict

#: what a refusal with an error body means, by the answer's status
REFUSALS = dict.fromkeys(range(400, 500), Outcome.REFUSED_PERMANENT) | dict.fromkeys(
    (401, 403, 404, 405, 408, 503), Outcome.REFUSED_TRANSIENT
)
STATUSES = {
    "delivered": Verdict.DELIVERED,
    "failed": Verdict.FAILED,
    "pending": Verdict.PENDING,
}
#: a code fit to be kept: short, and too few digits in a row for a number
_CODE = re.compile(r"(?!.*\d{7})[A-Za-z0-9_.-]{1,40}")
_ID = re.compile(r"[!-~]{1,128}")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
#: seconds a carrier may ask us to wait
LONGEST_WAIT = 3600.0
_WORD = re.compile(r"[ -~]{0,128}")


class Http:
    """One HTTP carrier, with its window of connections."""

    def __init__(self, name: str, settings: Mapping[str, object]) -> None:
        options = Options(name, settings)
        carrier = options.text("carrier", name)
        address = _address(options, "base_url", f"/{quote(carrier, safe='')}/messages")
        token = options.text("token", "")
        if not token.isascii():
            raise options.unfit("token", "must be ASCII")
        deadline = options.number("deadline", 10, 0.05, 300)
        self.call_deadline = options.number("call_deadline", 2 * deadline, 1.1 * deadline, 900)
        lanes = Lanes(
            address,
            window=options.whole("window", 50, 1, 1000),
            connect_timeout=options.number("connect_timeout", min(3, deadline), 0.05, deadline),
            deadline=deadline,
            call_deadline=self.call_deadline,
            tls=_tls(options),
        )
        self.name = name
        self.doubt, self.dedupe_seconds = Doubt.BLIND, 0.0
        self._receipt_url = options.text("receipt_url", "")
        options.text("receipt_token", "")
        options.finish()
        self._head = address.head({"authorization": f"Bearer {token}" if token else ""})
        self._client = Client(lanes)

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        """Post the parcels; return one attempt for each, in their order, within `call_deadline` seconds."""
        results = self._client.post([request(self._head, self._write(parcel)) for parcel in parcels])
        return [judge(parcel.ref, result) for parcel, result in zip(parcels, results, strict=True)]

    def close(self) -> None:
        """Close connections; idempotent."""
        self._client.close()

    def _write(self, parcel: Parcel) -> bytes:
        message: dict[str, object] = {
            "ref": str(parcel.ref),
            "to": parcel.to,
            "from": parcel.sender,
            "text": parcel.body,
            "encoding": parcel.encoding,
            "segments": parcel.segments,
        }
        if parcel.valid_until:
            message["valid_until"] = parcel.valid_until.isoformat()
        if self._receipt_url:
            message["receipt_url"] = self._receipt_url
        return json.dumps(message).encode()


def judge(ref: UUID, result: Answer | Fault) -> Attempt:
    """Return what an answer, or its lack, says of the message with our reference `ref`."""
    if isinstance(result, Fault):
        return Attempt(ref, Outcome.UNKNOWN if result.written else Outcome.NOT_WRITTEN, code=result.code)
    answer = _json(result.body)
    if result.status == 202:
        if isinstance(answer, dict) and isinstance(given := answer.get("id"), str) and _ID.fullmatch(given):
            return Attempt(ref, Outcome.ACCEPTED, given)
        return Attempt(ref, Outcome.UNKNOWN, code="unreadable", detail="accepted without an id")
    status = f"http_{result.status}"
    if result.status == 429:
        return throttled(ref, result.headers.get("retry-after"))
    if result.status in REFUSALS and isinstance(answer, dict) and isinstance(error := answer.get("error"), dict):
        code = error.get("code")
        fit = isinstance(code, str) and _CODE.fullmatch(code)
        return Attempt(ref, REFUSALS[result.status], code=str(code) if fit else status, detail=status)
    return Attempt(ref, Outcome.UNKNOWN, code=status)


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return the receipts in one request; ValueError if it cannot be read, ReceiptForged if its token is wrong."""
    expected = settings.get("receipt_token")
    given = posted.headers.get("authorization", "")
    if expected and not hmac.compare_digest(given.encode(), f"Bearer {expected}".encode()):
        raise ReceiptForged(f"carrier {carrier}: the receipt does not carry our token")
    reports = _json(posted.body)
    return Heard([_receipt(carrier, report) for report in (reports if isinstance(reports, list) else [reports])], [])


def _receipt(carrier: str, report: object) -> Receipt:
    if not isinstance(report, dict):
        raise ValueError("a receipt must be an object")
    status, carrier_ref, ref, code, at = (_word(report, key) for key in ("status", "id", "ref", "code", "at"))
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}")
    if not (carrier_ref or ref):
        raise ValueError("id or ref must be there")
    return Receipt(
        carrier=carrier,
        key=f"{carrier_ref or ref}/{status}",
        verdict=STATUSES[status],
        carrier_ref=carrier_ref,
        ref=_uuid(ref),
        code=code,
        at=_instant(at),
        raw=json.dumps(report, separators=(",", ":")),
    )


def _word(report: dict[str, object], key: str) -> str | None:
    """Return a short printable text, or None where there is none; nothing else is fit to be stored."""
    value = report.get(key)
    if value is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
        raise ValueError(f"{key} must be short text")
    return value or None


def _json(text: bytes) -> object:
    """Return what the JSON says; None, which no answer of theirs is, if it is none."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _uuid(text: str | None) -> UUID | None:
    """Return our reference; None for one that is not ours."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    instant = datetime.fromisoformat(text)
    try:
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("at is no moment that a database could tell") from None


def throttled(ref: UUID, retry_after: str | None) -> Attempt:
    """Return what 429 says: the same carrier may have it in so many seconds (RFC 9110, 10.2.3), a second if unsaid."""
    seconds = min(float(retry_after), LONGEST_WAIT) if retry_after and _SECONDS.fullmatch(retry_after) else 1.0
    return Attempt(
        ref, Outcome.REFUSED_TRANSIENT, code="throttled", detail=f"retry after {seconds:g} s", retry_after=seconds
    )


def _address(options: Options, key: str, path: str) -> Address:
    base = options.text(key)
    if "?" in base or "#" in base:
        raise options.unfit(key, "must end with its path")
    try:
        return Address.parse(base.rstrip("/") + path)
    except ValueError as error:
        raise options.unfit(key, str(error)) from None


def _tls(options: Options) -> ssl.SSLContext | None:
    path = options.text("ca_file", "")
    try:
        return ssl.create_default_context(cafile=path) if path else None
    except OSError:
        raise options.unfit("ca_file", "must be a readable file of PEM certificates") from None
