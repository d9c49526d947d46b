"""HTTP carrier for the simulator's JSON API over HTTP/1.1: a template for vendors that post JSON.

    POST {base_url}/{carrier}/messages
    {"ref", "to", "from", "text", "encoding": "GSM7|UCS2", "segments", "valid_until"?, "receipt_url"?}

    202 {"id": "…"}                                       accepted
    400, 413, 422 {"error": {"code", "message"}}          refused permanently
    other 4xx with such a body                            refused transiently: our settings are wrong, not the message
    429 (Retry-After: seconds); 503 with such a body      refused transiently
    anything else, or an unreadable response              unknown: the message may have been accepted

Receipts are POSTed to `receipt_url`, one object or an array of up to 100, with `Authorization: Bearer {token}`:

    {"id", "ref", "status": "delivered|failed|pending", "code", "at": ISO 8601}

and inbound messages likewise:

    {"id", "from", "to", "text", "at": ISO 8601}; a part of a long one also has "concat_ref", "part" (from 1), "parts"

Settings: those of every vendor (`base_url` required), `carrier` (its name at the other end; default: our name),
`token` (sent as bearer), `receipt_url`, `receipt_token`.
"""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from urllib.parse import quote
from uuid import UUID

from pipeline.carriers.contract import CarrierKind, HttpReceipts, ReceiptForged, needs_no_dlt
from pipeline.carriers.http1 import HttpResponse, request
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from pipeline.carriers.vendors.vendor_client import (
    VendorCarrier,
    VendorConnection,
    accepted,
    refused,
    secret,
    throttled,
    unknown,
)
from schema.carriage import Attempt, CarrierEvents, Inbound, Parcel, Posted, Receipt
from schema.refusals import RefusalReason
from schema.vocabulary import ReceiptVerdict

#: reason of a refusal with an error body, by HTTP status; other 4xx: unspecified
REFUSALS: dict[int, RefusalReason] = {
    400: RefusalReason.MESSAGE_REFUSED,
    401: RefusalReason.ACCOUNT,
    402: RefusalReason.NO_CREDIT,
    403: RefusalReason.ACCOUNT,
    404: RefusalReason.CONFIGURATION,
    405: RefusalReason.CONFIGURATION,
    408: RefusalReason.CARRIER_FAULT,
    410: RefusalReason.CONFIGURATION,
    413: RefusalReason.INVALID_TEXT,
    422: RefusalReason.MESSAGE_REFUSED,
    503: RefusalReason.CARRIER_FAULT,
}
STATUSES = {
    "delivered": ReceiptVerdict.DELIVERED,
    "failed": ReceiptVerdict.FAILED,
    "pending": ReceiptVerdict.PENDING,
}


def make(name: str, settings: Mapping[str, object]) -> VendorCarrier:
    """Create the carrier; ConfigurationError names the invalid setting."""
    options = SettingReader(name, settings)
    line = VendorConnection(options)
    carrier, token = options.text("carrier", name), secret(options, "token", "")
    called = options.text("receipt_url", "")
    options.text("receipt_token", "")
    options.finish()
    head = line.head(f"/{quote(carrier, safe='')}/messages", {"authorization": f"Bearer {token}" if token else ""})
    return VendorCarrier(line, partial(write, head, called), judge)


def write(head: bytes, called: str, parcel: Parcel, _: datetime) -> bytes:
    """Return the HTTP request for one parcel."""
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
    if called:
        message["receipt_url"] = called
    return request(head, json.dumps(message).encode())


def judge(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt for the message with our reference `ref`, by its response."""
    body = posted_receipts.parsed(answer.body)
    if answer.status == 202:
        return accepted(ref, posted_receipts.part(body, "id"))
    if answer.status == 429:
        return throttled(ref, answer)
    is_refusal = answer.status in REFUSALS or 400 <= answer.status < 500
    if is_refusal and isinstance(error := posted_receipts.part(body, "error"), dict):
        return refused(ref, REFUSALS.get(answer.status, RefusalReason.UNSPECIFIED), error.get("code"), answer)
    return unknown(ref, f"http_{answer.status}")


def authenticate(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Authenticate a post by its token; ReceiptForged if it is wrong, False if none is configured."""
    expected = settings.get("receipt_token")
    given = posted.headers.get("authorization", "")
    if expected and not hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {expected}".encode()):
        raise ReceiptForged(f"carrier {carrier}: the receipt does not have our token")
    return bool(expected)


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
    """Return the events in one request; ReceiptForged if its token is wrong."""
    authenticate(carrier, settings, posted)
    return posted_receipts.read_each(
        carrier,
        posted,
        lambda: posted_receipts.entries(posted_receipts.parsed(posted.body)),
        partial(_entry, carrier, settings),
    )


def _entry(carrier: str, settings: Mapping[str, object], value: object) -> posted_receipts.Entry:
    given = posted_receipts.entry(value)
    return _inbound(carrier, settings, given) if "text" in given else _receipt(carrier, given)


def _inbound(carrier: str, settings: Mapping[str, object], given: Mapping[str, object]) -> Inbound:
    return Inbound(
        carrier=carrier,
        **posted_receipts.inbound_key(given.get("id"), given.get("from"), given.get("to"), given.get("text")),
        phone=posted_receipts.number(given.get("from"), "from", settings),
        sender=posted_receipts.number(given.get("to"), "to", settings),
        body=posted_receipts.text(given.get("text"), "text"),
        at=posted_receipts.moment(given.get("at")),
        **posted_receipts.place(given.get("concat_ref"), given.get("part"), given.get("parts"), given.get("text")),
    )


def _receipt(carrier: str, report: Mapping[str, object]) -> posted_receipts.Entry:
    status, carrier_ref, ref = (posted_receipts.word(report.get(key), key) for key in ("status", "id", "ref"))
    if not (status and (carrier_ref or ref)):
        raise ValueError("status, and id or ref, are required")
    receipt = Receipt(
        carrier=carrier,
        key=f"{carrier_ref or ref}/{status}",
        verdict=STATUSES.get(status.lower(), ReceiptVerdict.PENDING),
        carrier_ref=carrier_ref,
        ref=posted_receipts.our_ref(ref),
        code=posted_receipts.label(report.get("code")),
        at=posted_receipts.moment(report.get("at")),
        raw=json.dumps(report, separators=(",", ":")),
    )
    return posted_receipts.checked(receipt, status.lower() in STATUSES)


KIND = CarrierKind(
    "http",
    make,
    receipts=HttpReceipts(read, authenticate, secrets=("receipt_token",), is_trusting=True),
    codes={"HTTP status": REFUSALS},
    sends_dlt=needs_no_dlt,
)
