"""Termii SMS API.

    POST /api/sms/send    {"api_key", "to", "from", "sms", "type": "plain", "channel": "dnd|generic"}
    200 {"code": "ok", "message_id", "message": "Successfully Sent", "balance", "user"}
    4xx {"message", "errors": {field: […]}}
                          refused, by its text in WORDS, else by its fields in FIELDS, else by its status
    429                   throttled
    anything else         unknown

Numbers are sent without a plus. It returns no reference of ours and has no idempotency key or status query: blind.

developer.termii.com/messaging-api, …/error, …/events-and-reports, …/incoming, …/balance

Settings: those of every vendor (`base_url`: required, the account's own), `api_key`, `channel` (dnd), `bulk_channel`
(for messages of the class bulk: generic, the vendor's channel for promotions), `secret_key` (authenticates receipts),
`receipt_url` (the dashboard holds it).
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pipeline.carriers.contract import CarrierKind, HttpReceipts
from pipeline.carriers.http1 import HttpResponse, request
from pipeline.carriers.receipt_authentication import is_waived
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from pipeline.carriers.vendors.vendor_client import (
    BalanceQuery,
    VendorCarrier,
    VendorConnection,
    accepted,
    digits,
    money,
    refused,
    secret,
    throttled,
    unknown_response,
)
from pipeline.rules.routing.retryable import may_another_help
from schema.carriage import Attempt, CarrierEvents, Inbound, Parcel, Posted, Receipt
from schema.message_class import MessageClass
from schema.refusals import RefusalReason
from schema.vocabulary import ReceiptVerdict

CHANNELS = ("dnd", "generic")
#: reason by HTTP status, where the text has no meaning; 422 by the fields that it names
REFUSALS: dict[int, RefusalReason] = {
    400: RefusalReason.CONFIGURATION,
    401: RefusalReason.ACCOUNT,
    403: RefusalReason.ACCOUNT,
    404: RefusalReason.CONFIGURATION,
    405: RefusalReason.CONFIGURATION,
    422: RefusalReason.CONFIGURATION,
}
#: reason by the request's field named in `errors`; another field: by the status
FIELDS: dict[str, RefusalReason] = {
    "to": RefusalReason.INVALID_NUMBER,
    "sms": RefusalReason.INVALID_TEXT,
    "from": RefusalReason.SENDER_REFUSED,
}
#: the vendor's texts in lower case: our code for them, and the reason
WORDS: dict[str, tuple[str, RefusalReason]] = {
    "unauthorized": ("unauthorized", RefusalReason.ACCOUNT),
    "your account is not active": ("account_inactive", RefusalReason.ACCOUNT),
    "you are not set up on this route": ("no_route", RefusalReason.NO_ROUTE),
    "your device has reached the daily limit": ("daily_limit", RefusalReason.LIMIT),
    "invalid sender id": ("invalid_sender_id", RefusalReason.SENDER_REFUSED),
    "device not found": ("no_device", RefusalReason.CONFIGURATION),
    "insufficient balance": ("insufficient_balance", RefusalReason.NO_CREDIT),
}
#: verdict by the status up to its bar, in lower case
STATUSES: dict[str, ReceiptVerdict] = {
    "message sent": ReceiptVerdict.PENDING,
    "delivered": ReceiptVerdict.DELIVERED,
    "message failed": ReceiptVerdict.FAILED,
    "dnd active on phone number": ReceiptVerdict.FAILED,
    "rejected": ReceiptVerdict.FAILED,
    "expired": ReceiptVerdict.FAILED,
}
#: reason by such a status of a failed message
FAILURES: dict[str, RefusalReason] = {
    "message failed": RefusalReason.UNSPECIFIED,
    "dnd active on phone number": RefusalReason.OPTED_OUT,
    "rejected": RefusalReason.UNSPECIFIED,
    "expired": RefusalReason.EXPIRED,
}
#: the field in a text
_FIELD = re.compile(r"\bthe ([a-z_]+) field\b")
_KEPT = ("type", "id", "message_id", "status", "sent_at", "cost", "channel")


def make(name: str, settings: Mapping[str, object]) -> VendorCarrier:
    """Create the carrier; ConfigurationError names the invalid setting."""
    options = SettingReader(name, settings)
    line = VendorConnection(options)
    key = secret(options, "api_key")
    channel, bulk_channel = options.text("channel", "dnd"), options.text("bulk_channel", "generic")
    for setting, value in (("channel", channel), ("bulk_channel", bulk_channel)):
        if value not in CHANNELS:
            raise options.unfit(setting, f"must be one of {', '.join(CHANNELS)}")
    secret(options, "secret_key", "")
    options.text("receipt_url", "")
    options.finish()
    balance_query = BalanceQuery(line.get(f"/api/get-balance?{urlencode({'api_key': key})}"), read_balance)
    return VendorCarrier(
        line,
        partial(write, line.head("/api/sms/send"), key, (channel, bulk_channel)),
        judge,
        balance_query=balance_query,
    )


def write(head: bytes, key: str, channels: tuple[str, str], parcel: Parcel, _: datetime) -> bytes:
    """Return the HTTP request for one parcel."""
    message = {
        "api_key": key,
        "to": digits(parcel.to),
        "from": digits(parcel.sender),
        "sms": parcel.body,
        "type": "plain",
        "channel": channels[parcel.message_class is MessageClass.BULK],
    }
    return request(head, json.dumps(message).encode())


def judge(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt for the message with our reference `ref`, by its response."""
    body = posted_receipts.parsed(answer.body)
    code, reason = WORDS.get(_plain(posted_receipts.part(body, "message")), (None, None))
    if answer.status == 200:
        given = posted_receipts.part(body, "message_id_str") or posted_receipts.part(body, "message_id")
        return refused(ref, reason, code, answer) if reason and not given else accepted(ref, given)
    if answer.status == 429:
        return throttled(ref, answer)
    if answer.status not in REFUSALS or not isinstance(body, dict):
        return unknown_response(ref, answer)
    return refused(ref, reason or _at_fault(body) or REFUSALS[answer.status], code, answer)


def _at_fault(body: Mapping[str, Any]) -> RefusalReason | None:
    """Return the reason by the fields that a refusal names; number and text take precedence over the others."""
    errors = body.get("errors")
    named = list(errors) if isinstance(errors, dict | list) else []
    named += _FIELD.findall(_plain(body.get("message")))
    return next((FIELDS[name] for name in FIELDS if name in named), None)


def read_balance(answer: HttpResponse) -> tuple[Decimal, str] | None:
    """Return the balance of `{"user", "balance", "currency"}`."""
    body = posted_receipts.parsed(answer.body)
    return money(posted_receipts.part(body, "balance"), posted_receipts.part(body, "currency"))


def authenticate(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Return False: the signature is over the body; ReceiptForged if there is none."""
    if is_waived(settings) and not posted_receipts.setting(settings, "secret_key"):
        return False
    return posted_receipts.require_signature(carrier, posted, "x-termii-signature")


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
    """Return the receipt or inbound message in one request; ReceiptForged if its signature is wrong."""
    key, given_mac = (
        posted_receipts.setting(settings, "secret_key"),
        posted.headers.get("x-termii-signature", "").lower(),
    )
    if key or not is_waived(settings):
        posted_receipts.check_mac(carrier, key, "secret_key", posted.body, given_mac, algorithm="sha512")
    return posted_receipts.read_each(
        carrier,
        posted,
        lambda: posted_receipts.entries(posted_receipts.parsed(posted.body)),
        partial(_entry, carrier, settings),
    )


def _entry(carrier: str, settings: Mapping[str, object], value: object) -> posted_receipts.Entry:
    given = posted_receipts.entry(value)
    match str(given.get("type")).lower():
        case "inbound":
            return _inbound(carrier, settings, given)
        case "device_status":
            return None
    return _receipt(carrier, given)


def _receipt(carrier: str, given: Mapping[str, Any]) -> posted_receipts.Entry:
    message, status = posted_receipts.required(given.get("message_id"), "message_id"), _plain(given.get("status"))
    word, verdict = posted_receipts.required(status, "status"), STATUSES.get(status, ReceiptVerdict.PENDING)
    failed = verdict is ReceiptVerdict.FAILED
    receipt = Receipt(
        carrier=carrier,
        key=f"{message}/{word}",
        verdict=verdict,
        carrier_ref=message,
        ref=None,
        code=word.replace(" ", "_") if failed else None,
        at=posted_receipts.moment(given.get("sent_at")),
        raw=posted_receipts.stored_fields(given, _KEPT),
        retryable=failed and may_another_help(FAILURES.get(word)),
    )
    return posted_receipts.checked(receipt, word in STATUSES)


def _inbound(carrier: str, settings: Mapping[str, object], given: Mapping[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        **posted_receipts.inbound_key(
            given.get("message_id"), given.get("sender"), given.get("receiver"), given.get("message")
        ),
        phone=posted_receipts.number(given.get("sender"), "sender", settings),
        sender=posted_receipts.number(given.get("receiver"), "receiver", settings),
        body=posted_receipts.text(given.get("message"), "message"),
        at=posted_receipts.moment(given.get("received_at")),
    )


def _plain(words: object) -> str:
    return (posted_receipts.spelt(words) or "").partition("|")[0].strip().rstrip(".").lower()


KIND = CarrierKind(
    "termii",
    make,
    receipts=HttpReceipts(read, authenticate, secrets=("secret_key",)),
    codes={
        "message": dict(WORDS.values()),
        "HTTP status": REFUSALS,
        "field of a refusal": FIELDS,
        "receipt: status": FAILURES,
    },
)
