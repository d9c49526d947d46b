"""Africa's Talking SMS API.

    POST /version1/messaging    username, to, from, message; header apiKey
    201 {"SMSMessageData": {"Message", "Recipients": [{"statusCode", "status", "messageId", "cost", "number"}]}}
    201 without recipients      error of the whole request, in `Message`
    400, 401, 403 with a text   refused, by the field that it names, else transiently
    anything else               unknown

It returns no reference of ours and signs nothing: receipts are authenticated by the `token` in the URL that the
dashboard holds. It has no idempotency key and no status query: blind.

developers.africastalking.com/docs/sms/sending/bulk, …/docs/sms/notifications; nyaruka/courier, handlers/africastalking;
docs.africastalking.com/sms/deliveryreports

Settings: those of every vendor (`base_url`: https://api.africastalking.com), `username`, `api_key`, `shared_sender`
(true: the account's shared code sends), `receipt_token` (put it into the callback URLs as `?token=…`), `receipt_url`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from pipeline.carriers.contract import CarrierKind, HttpReceipts
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from pipeline.carriers.vendors.scalar_parsers import decoded
from pipeline.carriers.vendors.vendor_client import (
    FORM,
    BalanceQuery,
    VendorCarrier,
    VendorConnection,
    accepted,
    callback,
    form,
    money,
    refused,
    secret,
    throttled,
    unknown,
    unknown_response,
)
from pipeline.rules.routing.retryable import may_another_help
from schema.carriage import Attempt, CarrierEvents, Inbound, Parcel, Posted, Receipt
from schema.refusals import RefusalReason
from schema.vocabulary import ReceiptVerdict

#: statusCodes of accepted recipients: Processed, Sent, Queued
ACCEPTED = frozenset({100, 101, 102})
#: reason of each other statusCode; one that is missing here has an unknown outcome
CODES: dict[int, RefusalReason] = {
    401: RefusalReason.ACCOUNT,  # RiskHold
    402: RefusalReason.SENDER_REFUSED,  # InvalidSenderId
    403: RefusalReason.INVALID_NUMBER,  # InvalidPhoneNumber
    404: RefusalReason.INVALID_NUMBER,  # UnsupportedNumberType
    405: RefusalReason.NO_CREDIT,  # InsufficientBalance
    406: RefusalReason.OPTED_OUT,  # UserInBlacklist
    407: RefusalReason.NO_ROUTE,  # CouldNotRoute
    409: RefusalReason.OPTED_OUT,  # DoNotDisturbRejection
    500: RefusalReason.IN_DOUBT,  # InternalServerError
    501: RefusalReason.IN_DOUBT,  # GatewayError
    502: RefusalReason.CARRIER_FAULT,  # RejectedByGateway
}
#: reason of each `Message` without recipients
WORDS: dict[str, RefusalReason] = {
    "InvalidSenderId": RefusalReason.SENDER_REFUSED,
    "InsufficientBalance": RefusalReason.NO_CREDIT,
}
#: reason by HTTP status of refusals with a text
REFUSALS: dict[int, RefusalReason] = {
    400: RefusalReason.CONFIGURATION,
    401: RefusalReason.ACCOUNT,
    403: RefusalReason.ACCOUNT,
}
#: reason by the request's field that the text names
FIELDS: dict[str, RefusalReason] = {
    "to": RefusalReason.INVALID_NUMBER,
    "message": RefusalReason.INVALID_TEXT,
    "from": RefusalReason.SENDER_REFUSED,
}
#: the field in the text: «Request is missing required form field 'to'»
_FIELD = re.compile(r"field '(\w+)'")
#: verdict by status in lower case
STATUSES: dict[str, ReceiptVerdict] = {
    "sent": ReceiptVerdict.PENDING,
    "submitted": ReceiptVerdict.PENDING,
    "buffered": ReceiptVerdict.PENDING,
    "success": ReceiptVerdict.DELIVERED,
    "rejected": ReceiptVerdict.FAILED,
    "failed": ReceiptVerdict.FAILED,
    "absentsubscriber": ReceiptVerdict.FAILED,
    "expired": ReceiptVerdict.FAILED,
}
#: reason of each failureReason (where it is missing: of each status); one that is missing here: no other carrier helps
FAILURES: dict[str, RefusalReason] = {
    "InsufficientCredit": RefusalReason.SUBSCRIBER,
    "InvalidLinkId": RefusalReason.CONFIGURATION,
    "UserIsInactive": RefusalReason.SUBSCRIBER,
    "UserInBlackList": RefusalReason.OPTED_OUT,
    "UserInBlacklist": RefusalReason.OPTED_OUT,
    "UserAccountSuspended": RefusalReason.SUBSCRIBER,
    "NotNetworkSubcriber": RefusalReason.NO_ROUTE,  # the vendor's spelling
    "NotNetworkSubscriber": RefusalReason.NO_ROUTE,
    "UserNotSubscribedToProduct": RefusalReason.SUBSCRIBER,
    "UserDoesNotExist": RefusalReason.INVALID_NUMBER,
    "DeliveryFailure": RefusalReason.UNSPECIFIED,
    "DoNotDisturbRejection": RefusalReason.OPTED_OUT,
    "Rejected": RefusalReason.UNSPECIFIED,
    "Failed": RefusalReason.UNSPECIFIED,
    "AbsentSubscriber": RefusalReason.ABSENT,
    "Expired": RefusalReason.EXPIRED,
}
_BY_SMALL = {word.lower(): reason for word, reason in FAILURES.items()}
#: failureReasons that mean none
_NOTHING = frozenset({"none", "null", "nil", "n/a", "-"})
_KEPT = ("id", "status", "failureReason", "networkCode", "retryCount")


def make(name: str, settings: Mapping[str, object]) -> VendorCarrier:
    """Create the carrier; ConfigurationError names the invalid setting."""
    options = SettingReader(name, settings)
    line = VendorConnection(options, "https://api.africastalking.com")
    user, key = secret(options, "username"), secret(options, "api_key")
    shared = options.flag("shared_sender")
    callback(options)
    options.finish()
    headers = {"apiKey": key, "accept": "application/json"}
    head = line.head("/version1/messaging", headers, content=FORM)
    balance_query = BalanceQuery(line.get(f"/version1/user?username={quote(user, safe='')}", headers), read_balance)
    return VendorCarrier(line, partial(write, head, user, shared), judge, balance_query=balance_query)


def write(head: bytes, user: str, shared: bool, parcel: Parcel, _: datetime) -> bytes:
    """Return the HTTP request for one parcel."""
    fields = {"username": user, "to": parcel.to, "message": parcel.body, "bulkSMSMode": "1"}
    return form(head, fields if shared else {**fields, "from": parcel.sender})


def judge(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt for the message with our reference `ref`, by its response."""
    if answer.status == 429:
        return throttled(ref, answer)
    if answer.status in REFUSALS:
        named = _FIELD.search(decoded(answer.body))
        reason = FIELDS.get(named[1], REFUSALS[answer.status]) if named else REFUSALS[answer.status]
        return refused(ref, reason, None, answer)
    data = posted_receipts.part(posted_receipts.parsed(answer.body), "SMSMessageData")
    if answer.status not in (200, 201) or not isinstance(data, dict):
        return unknown_response(ref, answer)
    code = posted_receipts.integer(posted_receipts.part(data, "Recipients", 0, "statusCode"))
    if code is None:
        word = str(data.get("Message"))
        return refused(ref, WORDS[word], word, answer) if word in WORDS else unknown_response(ref, answer)
    if code in ACCEPTED:
        given = posted_receipts.part(data, "Recipients", 0, "messageId")
        return accepted(ref, None if given == "None" else given)
    reason = CODES.get(code, RefusalReason.IN_DOUBT)
    return unknown(ref, str(code)[:8]) if reason is RefusalReason.IN_DOUBT else refused(ref, reason, code, answer)


def read_balance(answer: HttpResponse) -> tuple[Decimal, str] | None:
    """Return the balance of `{"UserData": {"balance": "KES 1785.50"}}`."""
    currency, _, amount = str(
        posted_receipts.part(posted_receipts.parsed(answer.body), "UserData", "balance")
    ).partition(" ")
    return money(amount, currency)


authenticate = posted_receipts.has_token


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
    """Return the receipt, inbound message or opt-out in one request; ReceiptForged if its token is wrong."""
    posted_receipts.check_token(carrier, settings, posted)
    return posted_receipts.read_each(
        carrier, posted, lambda: [posted_receipts.report(posted)], partial(_entry, carrier, settings)
    )


def _entry(carrier: str, settings: Mapping[str, object], given: Mapping[str, Any]) -> posted_receipts.Entry:
    if "status" in given:
        return _receipt(carrier, given)
    return _opt_out(carrier, settings, given) if "senderId" in given else _inbound(carrier, settings, given)


def _receipt(carrier: str, given: Mapping[str, Any]) -> posted_receipts.Entry:
    message, status = (
        posted_receipts.required(given.get("id"), "id"),
        posted_receipts.required(given.get("status"), "status"),
    )
    verdict = STATUSES.get(status.lower(), ReceiptVerdict.PENDING)
    failed = verdict is ReceiptVerdict.FAILED
    reason = posted_receipts.label(given.get("failureReason")) or ""
    code = reason if reason and reason.lower() not in _NOTHING else (status if failed else None)
    receipt = Receipt(
        carrier=carrier,
        key=f"{message}/{status}",
        verdict=verdict,
        carrier_ref=message,
        ref=None,
        code=code,
        at=None,
        raw=posted_receipts.stored_fields(given, _KEPT),
        retryable=failed and may_another_help(_BY_SMALL.get((code or "").lower())),
    )
    return posted_receipts.checked(receipt, status.lower() in STATUSES)


def _inbound(carrier: str, settings: Mapping[str, object], given: Mapping[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        **posted_receipts.inbound_key(given.get("id"), given.get("from"), given.get("to"), given.get("text")),
        phone=posted_receipts.number(given.get("from"), "from", settings),
        sender=posted_receipts.number(given.get("to"), "to", settings),
        body=posted_receipts.text(given.get("text"), "text"),
        at=posted_receipts.moment(given.get("date")),
    )


def _opt_out(carrier: str, settings: Mapping[str, object], given: Mapping[str, Any]) -> Inbound:
    """Return an opt-out as a STOP message; it has no id: repetitions are the same until another message comes."""
    return Inbound(
        carrier=carrier,
        key=f"opt-out/{uuid4()}",
        phone=posted_receipts.number(given.get("phoneNumber"), "phoneNumber", settings),
        sender=posted_receipts.number(given.get("senderId"), "senderId", settings),
        body="STOP",
        at=None,
        is_doubtful=True,
    )


KIND = CarrierKind(
    "africas_talking",
    make,
    receipts=HttpReceipts(read, authenticate, secrets=("receipt_token",)),
    codes={
        "statusCode": CODES,
        "Message": WORDS,
        "HTTP status": REFUSALS,
        "field of a refusal": FIELDS,
        "receipt: failureReason": FAILURES,
    },
)
