"""Vonage SMS API (formerly Nexmo).

    POST /sms/json    api_key, api_secret, from, to, text, type, client-ref, ttl, callback
    200 {"message-count": "2", "messages": [{"status": "0", "message-id", "client-ref", …}, …]}

Each part of a long message has an entry: all of status 0 mean accepted, all of another refused, by the status in
ERRORS (for an invalid parameter by its name in FIELDS), and a message of which only some parts were accepted is
unknown. Numbers are sent without a plus. There is no idempotency key and no status query: blind.

developer.vonage.com/en/api/sms, …/messaging/sms/guides/troubleshooting-sms, …/messaging/sms/guides/delivery-receipts,
…/getting-started/concepts/signing-messages; the wait in a throttled response: nyaruka/courier, handlers/nexmo

Settings: those of every vendor (`base_url`: https://rest.nexmo.com), `api_key`, `api_secret`, `dlt` (ids for India,
sent as `entity-id` and `content-id`: see dlt_registrations.py), `receipt_url`; to authenticate receipts
`signature_secret` with `signature_method` (md5hash, md5, sha1, sha256, sha512: the account's), or `receipt_token`.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pipeline.carriers.contract import CarrierKind, HttpReceipts
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from pipeline.carriers.vendors.dlt_registrations import Registrations, has_ids
from pipeline.carriers.vendors.vendor_client import (
    FORM,
    BalanceQuery,
    VendorCarrier,
    VendorConnection,
    accepted,
    callback,
    digits,
    form,
    money,
    refused,
    seconds_left,
    secret,
    throttled,
    unknown,
    unknown_response,
)
from pipeline.rules.routing.retryable import may_another_help
from schema.carriage import Attempt, CarrierEvents, Inbound, Parcel, Posted, Receipt
from schema.refusals import RefusalReason
from schema.vocabulary import Encoding, ReceiptVerdict

#: limits of ttl, in seconds
VALIDITY = (20, 604_800)
THROTTLED = "1"
#: reason of each status but 0 and 1; one that is missing here: refused transiently
ERRORS: dict[str, RefusalReason] = {
    "2": RefusalReason.CONFIGURATION,  # a parameter is missing: by its name in FIELDS
    "3": RefusalReason.CONFIGURATION,  # a parameter is invalid: by its name in FIELDS
    "4": RefusalReason.ACCOUNT,  # invalid credentials
    "5": RefusalReason.IN_DOUBT,  # an error while processing this message
    "6": RefusalReason.MESSAGE_REFUSED,  # invalid message: an unknown prefix
    "7": RefusalReason.SUBSCRIBER,  # number barred
    "8": RefusalReason.ACCOUNT,  # barred
    "9": RefusalReason.NO_CREDIT,
    "10": RefusalReason.LIMIT,  # too many connections
    "11": RefusalReason.ACCOUNT,  # not enabled for HTTP
    "12": RefusalReason.INVALID_TEXT,  # too long
    "13": RefusalReason.CARRIER_FAULT,  # not submitted: communication failed
    "14": RefusalReason.CONFIGURATION,  # invalid signature
    "15": RefusalReason.SENDER_REFUSED,
    "16": RefusalReason.CONFIGURATION,  # invalid time to live
    "19": RefusalReason.ACCOUNT,  # facility not allowed
    "20": RefusalReason.CONFIGURATION,  # invalid message class
    "22": RefusalReason.NO_ROUTE,  # invalid network code
    "23": RefusalReason.CONFIGURATION,  # invalid callback URL
    "29": RefusalReason.ACCOUNT,  # not on the list of a demo account
    "32": RefusalReason.CONFIGURATION,  # both signature and secret
    "33": RefusalReason.INVALID_NUMBER,  # deactivated
}
#: the statuses about a parameter, and the reason by its name
OF_A_FIELD = frozenset({"2", "3"})
FIELDS: dict[str, RefusalReason] = {
    "to": RefusalReason.INVALID_NUMBER,
    "text": RefusalReason.INVALID_TEXT,
    "body": RefusalReason.INVALID_TEXT,
}
#: the parameter in an error-text: `Missing to param`, `Invalid value for parameter: to`
_NAMED = re.compile(r"""param(?:eter)?s?[:\s]+[$"'`]*([a-z_-]+)|([a-z_-]+)["'`]*(?=\s+param)""", re.IGNORECASE)
#: the parameters that we send
_PARAMETERS = frozenset(
    {"api_key", "api_secret", "callback", "client-ref", "content-id", "entity-id", "from", "status-report-req"}
    | {"ttl", "type", *FIELDS}
)
STATUSES: dict[str, ReceiptVerdict] = {
    "accepted": ReceiptVerdict.PENDING,
    "buffered": ReceiptVerdict.PENDING,
    "unknown": ReceiptVerdict.PENDING,
    "delivered": ReceiptVerdict.DELIVERED,
    "expired": ReceiptVerdict.FAILED,
    "failed": ReceiptVerdict.FAILED,
    "rejected": ReceiptVerdict.FAILED,
}
#: reason of each err-code of a failed delivery; one that is missing here: no other carrier helps
ERR_CODES: dict[str, RefusalReason] = {
    "1": RefusalReason.UNSPECIFIED,
    "2": RefusalReason.ABSENT,  # for now
    "3": RefusalReason.INVALID_NUMBER,  # absent for good
    "4": RefusalReason.SUBSCRIBER,  # barred by the user
    "5": RefusalReason.NO_ROUTE,  # portability
    "6": RefusalReason.FORBIDDEN_TEXT,  # spam
    "7": RefusalReason.ABSENT,  # handset busy
    "8": RefusalReason.CARRIER_FAULT,  # network
    "9": RefusalReason.OPTED_OUT,  # the user does not want it
    "10": RefusalReason.INVALID_TEXT,  # illegal message
    "11": RefusalReason.NO_ROUTE,  # unroutable
    "12": RefusalReason.NO_ROUTE,  # destination unreachable
    "13": RefusalReason.SUBSCRIBER,  # age
    "14": RefusalReason.SUBSCRIBER,  # blocked by the network
    "15": RefusalReason.SUBSCRIBER,  # prepaid without funds
    "16": RefusalReason.LIMIT,  # gateway quota
    "50": RefusalReason.CONFIGURATION,  # India: no entity id, or a wrong one
    "51": RefusalReason.SENDER_REFUSED,  # India: header
    "52": RefusalReason.CONFIGURATION,  # India: no content id, or a wrong one
    "53": RefusalReason.OPTED_OUT,  # India: consent
    "54": RefusalReason.CONFIGURATION,  # India: regulation
    "99": RefusalReason.UNSPECIFIED,  # general, mostly of the route
}
METHODS = ("md5hash", "md5", "sha1", "sha256", "sha512")
#: parameters of a part of a long message: its reference, number, number of parts
_CONCAT = ("concat-ref", "concat-part", "concat-total")
_WAIT = re.compile(r"please wait \[ *([0-9]{1,6}) *\]")
#: format of a receipt's time
_SCTS = "%y%m%d%H%M"
_KEPT = ("messageId", "status", "err-code", "scts", "client-ref", "network-code", "price")


def make(name: str, settings: Mapping[str, object]) -> VendorCarrier:
    """Create the carrier; ConfigurationError names the invalid setting."""
    options = SettingReader(name, settings)
    line = VendorConnection(options, "https://rest.nexmo.com")
    keys = {"api_key": secret(options, "api_key"), "api_secret": secret(options, "api_secret")}
    called, registered = callback(options), Registrations.read(options)
    secret(options, "signature_secret", "")
    if options.text("signature_method", "sha256") not in METHODS:
        raise options.unfit("signature_method", f"must be one of {', '.join(METHODS)}")
    options.finish()
    head = line.head("/sms/json", content=FORM)
    balance_query = BalanceQuery(line.get(f"/account/get-balance?{urlencode(keys)}"), read_balance)
    return VendorCarrier(
        line, partial(write, head, {**keys, "callback": called}, registered), judge, balance_query=balance_query
    )


def write(head: bytes, keys: Mapping[str, str], registered: Registrations, parcel: Parcel, now: datetime) -> bytes:
    """Return the HTTP request for one parcel; NoDltId if it needs ids in India and has none."""
    fields = {
        **{name: value for name, value in keys.items() if value},
        "from": digits(parcel.sender),
        "to": digits(parcel.to),
        "text": parcel.body,
        "type": "unicode" if parcel.encoding is Encoding.UCS2 else "text",
        "client-ref": str(parcel.ref),
        "status-report-req": "1",
    }
    if seconds := seconds_left(parcel, now, *VALIDITY):
        fields["ttl"] = str(seconds * 1000)
    if ids := registered.of(parcel):
        fields |= {"entity-id": ids.entity, "content-id": ids.content}
    return form(head, fields)


def judge(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt for the message with our reference `ref`, by its response."""
    parts = posted_receipts.part(posted_receipts.parsed(answer.body), "messages")
    if answer.status < 500 and isinstance(parts, list | dict) and parts:
        return _of_parts(ref, posted_receipts.entries(parts), answer)
    if answer.status == 429:
        return throttled(ref, answer)
    return refused(ref, RefusalReason.ACCOUNT, None, answer) if answer.status == 401 else unknown_response(ref, answer)


def _of_parts(ref: UUID, parts: list[Any], answer: HttpResponse) -> Attempt:
    statuses = {posted_receipts.spelt(posted_receipts.part(each, "status")) for each in parts}
    if statuses == {"0"}:
        given = [posted_receipts.spelt(posted_receipts.part(each, "message-id")) for each in parts]
        if not all(given):
            return unknown(ref, "unreadable")
        return accepted(ref, given[0], [each for each in given if each] if len(given) > 1 else ())
    if "0" in statuses:
        return unknown(ref, "partial")
    status, words = (
        posted_receipts.spelt(posted_receipts.part(parts[0], "status")),
        str(posted_receipts.part(parts[0], "error-text")),
    )
    if status == THROTTLED:
        wait = _WAIT.search(words)
        return throttled(ref, answer, int(wait[1]) / 1000 if wait else None)
    if status is None or status not in ERRORS:
        return refused(ref, RefusalReason.UNSPECIFIED, status, answer) if status else unknown(ref, "unreadable")
    return _because(ref, _reason(status, words), status, answer)


def _because(ref: UUID, reason: RefusalReason, status: str, answer: HttpResponse) -> Attempt:
    return unknown(ref, status) if reason is RefusalReason.IN_DOUBT else refused(ref, reason, status, answer)


def _reason(status: str, words: str) -> RefusalReason:
    """Return the reason of a status: of one about a parameter by the parameter's name."""
    if status not in OF_A_FIELD:
        return ERRORS[status]
    named = (str(found[1] or found[2]).lower() for found in _NAMED.finditer(words))
    return FIELDS.get(next((name for name in named if name in _PARAMETERS), ""), ERRORS[status])


def read_balance(answer: HttpResponse) -> tuple[Decimal, str] | None:
    """Return the balance of `{"value"}`, in euros."""
    return money(posted_receipts.part(posted_receipts.parsed(answer.body), "value"), "EUR")


def authenticate(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Authenticate a post by its URL; False where the signature is among the posted fields; ReceiptForged if wrong."""
    return not posted_receipts.setting(settings, "signature_secret") and posted_receipts.has_token(
        carrier, settings, posted
    )


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
    """Return the receipt or inbound message in one request; ReceiptForged if authentication fails."""
    given = posted_receipts.report(posted)
    if key := posted_receipts.setting(settings, "signature_secret"):
        expected = signature(given, key, posted_receipts.setting(settings, "signature_method") or "sha256")
        posted_receipts.check_secret(carrier, expected, str(given.get("sig", "")).lower(), "signature_secret")
    else:
        posted_receipts.check_token(carrier, settings, posted)
    return posted_receipts.read_each(carrier, posted, lambda: [given], partial(_entry, carrier, settings))


def _entry(carrier: str, settings: Mapping[str, object], given: Mapping[str, Any]) -> posted_receipts.Entry:
    return _receipt(carrier, given) if "status" in given else _inbound(carrier, settings, given)


def signature(given: Mapping[str, Any], key: str, method: str) -> str:
    """Return the signature of a request's fields, in lower-case hex."""
    text = "".join(
        f"&{name}={re.sub('[&=]', '_', str(value))}" for name, value in sorted(given.items()) if name != "sig"
    )
    if method == "md5hash":
        return hashlib.md5(f"{text}{key}".encode(), usedforsecurity=False).hexdigest()
    return posted_receipts.mac(method, key, text.encode())


def _receipt(carrier: str, given: Mapping[str, Any]) -> posted_receipts.Entry:
    message, status = (
        posted_receipts.required(given.get("messageId"), "messageId"),
        posted_receipts.required(given.get("status"), "status"),
    )
    code, verdict = posted_receipts.label(given.get("err-code")), STATUSES.get(status.lower(), ReceiptVerdict.PENDING)
    receipt = Receipt(
        carrier=carrier,
        key=f"{message}/{status}",
        verdict=verdict,
        carrier_ref=message,
        ref=posted_receipts.our_ref(given.get("client-ref")),
        code=None if code == "0" else code,
        at=posted_receipts.moment(given.get("scts"), _SCTS) or posted_receipts.moment(given.get("message-timestamp")),
        raw=posted_receipts.stored_fields(given, _KEPT),
        retryable=verdict is ReceiptVerdict.FAILED and may_another_help(ERR_CODES.get(code) if code else None),
    )
    return posted_receipts.checked(receipt, status.lower() in STATUSES)


def _inbound(carrier: str, settings: Mapping[str, object], given: Mapping[str, Any]) -> Inbound:
    in_parts = str(given.get("concat", "")).lower() == "true"
    text = given.get("text", "" if given.get("type") == "binary" else None)
    ref, part, of = (given.get(name) if in_parts else None for name in _CONCAT)
    return Inbound(
        carrier=carrier,
        **posted_receipts.inbound_key(given.get("messageId"), given.get("msisdn"), given.get("to"), text),
        phone=posted_receipts.number(given.get("msisdn"), "msisdn", settings),
        sender=posted_receipts.number(given.get("to"), "to", settings),
        body=posted_receipts.text(text, "text"),
        at=posted_receipts.moment(given.get("message-timestamp")),
        **posted_receipts.place(ref, part, of, text),
    )


KIND = CarrierKind(
    "vonage",
    make,
    receipts=HttpReceipts(read, authenticate, secrets=("signature_secret", "receipt_token"), by_get=True),
    codes={"status": ERRORS, "field of status 2 and 3": FIELDS, "receipt: err-code": ERR_CODES},
    sends_dlt=has_ids,
)
