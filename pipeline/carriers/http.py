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

and in the same way what a handset wrote:

    {"id", "from", "to", "text", "at": ISO 8601}

Settings: those of every line (`base_url` required), `carrier` (our name for it; its name over there), `token` (sent as
a bearer), `receipt_url`, `receipt_token`.
"""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from urllib.parse import quote
from uuid import UUID

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import Answer, request
from pipeline.carriers.options import Options
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.exchange import Line, Vendor, accepted, refused, secret, throttled, unknown
from schema.carriage import Attempt, Heard, Inbound, Parcel, Posted, Receipt
from schema.vocabulary import Outcome, Verdict

#: what a refusal with an error body means, by the answer's status
REFUSALS = dict.fromkeys(range(400, 500), Outcome.REFUSED_PERMANENT) | dict.fromkeys(
    (401, 403, 404, 405, 408, 503), Outcome.REFUSED_TRANSIENT
)
STATUSES = {
    "delivered": Verdict.DELIVERED,
    "failed": Verdict.FAILED,
    "pending": Verdict.PENDING,
}


def make(name: str, settings: Mapping[str, object]) -> Vendor:
    """Make the carrier; ConfigurationError names the setting that does not fit."""
    options = Options(name, settings)
    line = Line(options)
    carrier, token = options.text("carrier", name), secret(options, "token", "")
    called = options.text("receipt_url", "")
    options.text("receipt_token", "")
    options.finish()
    head = line.head(f"/{quote(carrier, safe='')}/messages", {"authorization": f"Bearer {token}" if token else ""})
    return Vendor(line, partial(write, head, called), judge)


def write(head: bytes, called: str, parcel: Parcel, _: datetime) -> bytes:
    """Return the request of one parcel."""
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


def judge(ref: UUID, answer: Answer) -> Attempt:
    """Return what an answer says of the message with our reference `ref`."""
    body = posts.parsed(answer.body)
    if answer.status == 202:
        return accepted(ref, posts.part(body, "id"))
    if answer.status == 429:
        return throttled(ref, answer)
    if answer.status in REFUSALS and isinstance(error := posts.part(body, "error"), dict):
        return refused(ref, REFUSALS[answer.status], error.get("code"), answer)
    return unknown(ref, f"http_{answer.status}")


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return what is in one request; ValueError if it cannot be read, ReceiptForged if its token is wrong."""
    expected = settings.get("receipt_token")
    given = posted.headers.get("authorization", "")
    if expected and not hmac.compare_digest(given.encode(), f"Bearer {expected}".encode()):
        raise ReceiptForged(f"carrier {carrier}: the receipt does not carry our token")
    found = posts.parsed(posted.body)
    reports = posts.entries(found if isinstance(found, list) else [found])
    return Heard(
        [_receipt(carrier, report) for report in reports if "text" not in report],
        [_inbound(carrier, report) for report in reports if "text" in report],
    )


def _inbound(carrier: str, given: Mapping[str, object]) -> Inbound:
    return Inbound(
        carrier=carrier,
        key=posts.needed(given.get("id"), "id"),
        phone=posts.number(given.get("from"), "from"),
        sender=posts.number(given.get("to"), "to"),
        body=posts.text(given.get("text"), "text"),
        at=posts.moment(given.get("at")),
    )


def _receipt(carrier: str, report: Mapping[str, object]) -> Receipt:
    status, carrier_ref, ref, code = (posts.word(report.get(key), key) for key in ("status", "id", "ref", "code"))
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}")
    if not (carrier_ref or ref):
        raise ValueError("id or ref must be there")
    at = posts.moment(report.get("at"))
    if report.get("at") and at is None:
        raise ValueError("at is no moment that a database could tell")
    return Receipt(
        carrier=carrier,
        key=f"{carrier_ref or ref}/{status}",
        verdict=STATUSES[status],
        carrier_ref=carrier_ref,
        ref=posts.ours(ref),
        code=code,
        at=at,
        raw=json.dumps(report, separators=(",", ":")),
    )
