"""Infobip's SMS API, version 3.

    POST /sms/3/messages    {"messages": [{"sender", "destinations": [{"to", "messageId"}], "content", "options",
                            "webhooks": {"delivery": {"url"}, "contentType", "callbackData"}}]}
    200 {"messages": [{"messageId", "status": {"groupId", "id", "name"}}]}
                            accepted in the groups PENDING and DELIVERED, else by the status id in REJECTIONS
    4xx {"requestError": {"serviceException": {"messageId", …}}} or {"errorCode", …}
    429                     throttled
    anything else           unknown

We assign the message's id, and the logs of the last two days can be queried by it: queryable. The vendor does not
say how soon after a request its log exists, so an empty log means unknown unless `trust_empty_log` is set. A second
request with the same id is rejected (23), which says that the first was received but not its outcome.

infobip.com/docs/api/channels/sms, …/docs/essentials/api-essentials/response-status-and-error-codes,
…/docs/developer-resources/api-fundamentals/message-status-codes, …/docs/api/platform/subscriptions-api

Settings: those of every vendor (`base_url`: required, the account's own), `api_key`, `trust_empty_log` (false), `dlt`
(ids for India, sent as `options.regional.indiaDlt`: see dlt_registrations.py), `receipt_url`; to authenticate receipts
`receipt_token`, or `receipt_username` and `receipt_password` (the BASIC of a subscription's security settings).
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from pipeline.carriers.contract import CarrierKind, HttpReceipts
from pipeline.carriers.http1 import HttpResponse, request
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from pipeline.carriers.vendors.dlt_registrations import Registrations, has_ids
from pipeline.carriers.vendors.vendor_client import (
    BalanceQuery,
    StatusQuery,
    VendorCarrier,
    VendorConnection,
    accepted,
    basic,
    callback,
    digits,
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
from schema.vocabulary import Outcome, ReceiptVerdict, UnknownAbility

#: limits of the validity period, in seconds
VALIDITY = (30, 172_800)
#: status groups that mean accepted
ACCEPTED = frozenset({1, 3})
#: reason of each other status, in responses and receipts; one that is missing here means unknown in a response,
#: and in a receipt that no other carrier helps
REJECTIONS: dict[int, RefusalReason] = {
    4: RefusalReason.UNSPECIFIED,  # UNDELIVERABLE_REJECTED_OPERATOR
    6: RefusalReason.NO_ROUTE,  # REJECTED_NETWORK
    8: RefusalReason.INVALID_NUMBER,  # REJECTED_PREFIX_MISSING
    9: RefusalReason.UNSPECIFIED,  # UNDELIVERABLE_NOT_DELIVERED
    10: RefusalReason.OPTED_OUT,  # REJECTED_DND
    11: RefusalReason.SENDER_REFUSED,  # REJECTED_SOURCE
    12: RefusalReason.NO_CREDIT,  # REJECTED_NOT_ENOUGH_CREDITS
    13: RefusalReason.SENDER_REFUSED,  # REJECTED_SENDER
    14: RefusalReason.OPTED_OUT,  # REJECTED_DESTINATION_BLOCKLISTED
    17: RefusalReason.NO_CREDIT,  # REJECTED_PREPAID_PACKAGE_EXPIRED
    18: RefusalReason.ACCOUNT,  # REJECTED_DESTINATION_NOT_REGISTERED: of a trial
    19: RefusalReason.NO_ROUTE,  # REJECTED_ROUTE_NOT_AVAILABLE
    20: RefusalReason.LIMIT,  # REJECTED_FLOODING_FILTER
    21: RefusalReason.CARRIER_FAULT,  # REJECTED_SYSTEM_ERROR
    23: RefusalReason.IN_DOUBT,  # REJECTED_DUPLICATE_MESSAGE_ID
    24: RefusalReason.INVALID_TEXT,  # REJECTED_INVALID_UDH
    25: RefusalReason.INVALID_TEXT,  # REJECTED_MESSAGE_TOO_LONG
    31: RefusalReason.UNSPECIFIED,  # UNDELIVERABLE_NOT_SENT
    51: RefusalReason.INVALID_NUMBER,  # MISSING_TO
    52: RefusalReason.INVALID_NUMBER,  # REJECTED_DESTINATION
    87: RefusalReason.FORBIDDEN_TEXT,  # SIGNALS_BLOCKED
    100: RefusalReason.CARRIER_FAULT,  # UNDELIVERABLE_REJECTED_PLATFORM
}
#: reason of refused requests by HTTP status; 400 by its field
REFUSALS: dict[int, RefusalReason] = {
    400: RefusalReason.CONFIGURATION,
    401: RefusalReason.ACCOUNT,
    403: RefusalReason.ACCOUNT,
    404: RefusalReason.CONFIGURATION,
}
#: reason of status 400 by the field it names, without the message and indexes
FIELDS: dict[str, RefusalReason] = {
    "destinations.to": RefusalReason.INVALID_NUMBER,
    "to": RefusalReason.INVALID_NUMBER,
    "content": RefusalReason.INVALID_TEXT,
    "content.text": RefusalReason.INVALID_TEXT,
    "text": RefusalReason.INVALID_TEXT,
}
#: verdict by a receipt's status group: PENDING, UNDELIVERABLE, DELIVERED, EXPIRED, REJECTED
GROUPS: dict[int, ReceiptVerdict] = {
    0: ReceiptVerdict.PENDING,
    1: ReceiptVerdict.PENDING,
    2: ReceiptVerdict.FAILED,
    3: ReceiptVerdict.DELIVERED,
    4: ReceiptVerdict.FAILED,
    5: ReceiptVerdict.FAILED,
}
GROUP_NAMES = {"ACCEPTED": 0, "PENDING": 1, "UNDELIVERABLE": 2, "DELIVERED": 3, "EXPIRED": 4, "REJECTED": 5}
#: status id in group DELIVERED that is delivery to the operator only
DELIVERED_TO_OPERATOR = 2
#: reason by error group of a failed delivery: the handset, the user, the operator; of operators' errors only
#: those that are not permanent
ERROR_GROUPS: dict[int, RefusalReason] = {
    1: RefusalReason.ABSENT,
    2: RefusalReason.SUBSCRIBER,
    3: RefusalReason.CARRIER_FAULT,
}
_OPERATOR = 3
_FIELD = re.compile(r"[A-Za-z]+")
_KEPT = ("bulkId", "messageId", "status", "error", "doneAt", "sentAt", "mccMnc", "messageCount")


def make(name: str, settings: Mapping[str, object]) -> VendorCarrier:
    """Create the carrier; ConfigurationError names the invalid setting."""
    options = SettingReader(name, settings)
    line = VendorConnection(options, able=UnknownAbility.QUERYABLE)
    headers = {"authorization": f"App {secret(options, 'api_key')}", "accept": "application/json"}
    called, trusted, registered = callback(options), options.flag("trust_empty_log"), Registrations.read(options)
    user, password = secret(options, "receipt_username", ""), secret(options, "receipt_password", "")
    if bool(user) != bool(password):
        raise options.unfit("receipt_password" if user else "receipt_username", "is required with the other")
    options.finish()

    def question(parcel: Parcel, _: str | None) -> bytes:
        return line.get(f"/sms/3/logs?messageId={parcel.ref}", headers)

    return VendorCarrier(
        line,
        partial(write, line.head("/sms/3/messages", headers), called, registered),
        judge,
        question=StatusQuery(question, partial(judge_status, trusted)),
        balance_query=BalanceQuery(line.get("/account/1/balance", headers), read_balance),
    )


def write(head: bytes, called: str, registered: Registrations, parcel: Parcel, now: datetime) -> bytes:
    """Return the HTTP request for one parcel; NoDltId if it needs ids in India and has none."""
    message: dict[str, object] = {
        "sender": digits(parcel.sender),
        "destinations": [{"to": digits(parcel.to), "messageId": str(parcel.ref)}],
        "content": {"text": parcel.body},
    }
    hooks: dict[str, object] = {"contentType": "application/json", "callbackData": str(parcel.ref)}
    message["webhooks"] = {**hooks, "delivery": {"url": called}} if called else hooks
    options: dict[str, object] = {}
    if seconds := seconds_left(parcel, now, *VALIDITY):
        options["validityPeriod"] = {"amount": seconds, "timeUnit": "SECONDS"}
    if ids := registered.of(parcel):
        options["regional"] = {"indiaDlt": {"principalEntityId": ids.entity, "contentTemplateId": ids.content}}
    if options:
        message["options"] = options
    return request(head, json.dumps({"messages": [message]}).encode())


def judge(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt for the message with our reference `ref`, by its response."""
    body = posted_receipts.parsed(answer.body)
    if answer.status == 200:
        message = posted_receipts.part(body, "messages", 0)
        return _of_status(
            ref, posted_receipts.part(message, "status"), posted_receipts.part(message, "messageId"), answer
        )
    if answer.status == 429:
        return throttled(ref, answer)
    error = posted_receipts.part(body, "requestError", "serviceException") or body
    code = posted_receipts.part(error, "messageId") or posted_receipts.part(error, "errorCode")
    if answer.status not in REFUSALS or code is None:
        return unknown_response(ref, answer)
    found = [FIELDS[name] for name in _wrong(error) if name in FIELDS] if answer.status == 400 else []
    return refused(ref, found[0] if found else REFUSALS[answer.status], code, answer)


def _wrong(error: object) -> Iterator[str]:
    """Yield the fields that a refusal names: `messages[0].content.text` is `content.text`."""
    named, listed = posted_receipts.part(error, "validationErrors"), posted_receipts.part(error, "violations")
    paths = list(named) if isinstance(named, dict | list) else [named]
    paths += [posted_receipts.part(each, "property") for each in listed] if isinstance(listed, list) else []
    for path in paths:
        steps = _FIELD.findall(path) if isinstance(path, str) else []
        yield ".".join(steps[steps.index("messages") + 1 :] if "messages" in steps else steps)


def judge_status(trusted: bool, ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt for the message with our reference `ref`, by the logs."""
    results = posted_receipts.part(posted_receipts.parsed(answer.body), "results")
    if answer.status != 200 or not isinstance(results, list):
        return unknown(ref, f"http_{answer.status}")
    if not results:
        return Attempt(ref, Outcome.NOT_WRITTEN if trusted else Outcome.UNKNOWN, code="not_in_the_log")
    status = posted_receipts.part(results, 0, "status")
    if posted_receipts.integer(posted_receipts.part(status, "groupId")) in (1, 2, 3, 4):
        return accepted(ref, posted_receipts.part(results, 0, "messageId"))
    return _of_status(ref, status, None, answer)


def _of_status(ref: UUID, status: object, message: object, answer: HttpResponse) -> Attempt:
    id_ = posted_receipts.integer(posted_receipts.part(status, "id"))
    if posted_receipts.integer(posted_receipts.part(status, "groupId")) in ACCEPTED:
        return accepted(ref, message)
    if id_ is None:
        return unknown(ref, "unreadable")
    reason = REJECTIONS.get(id_, RefusalReason.IN_DOUBT)
    return unknown(ref, str(id_)[:8]) if reason is RefusalReason.IN_DOUBT else refused(ref, reason, id_, answer)


def read_balance(answer: HttpResponse) -> tuple[Decimal, str] | None:
    """Return the balance of `{"balance", "currency"}`."""
    body = posted_receipts.parsed(answer.body)
    return money(posted_receipts.part(body, "balance"), posted_receipts.part(body, "currency"))


def authenticate(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Authenticate a post by its headers or URL; ReceiptForged if they are wrong, False where that is waived."""
    user = posted_receipts.setting(settings, "receipt_username")
    if not user:
        return posted_receipts.has_token(carrier, settings, posted)
    expected = basic(user, posted_receipts.setting(settings, "receipt_password"))
    posted_receipts.check_secret(carrier, expected, posted.headers.get("authorization", ""), "receipt_username")
    return True


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
    """Return the receipts and inbound messages in one request; ReceiptForged if authentication fails."""
    authenticate(carrier, settings, posted)
    results = partial(_results, posted)
    return posted_receipts.read_each(carrier, posted, results, partial(_entry, carrier, settings))


def _results(posted: Posted) -> list[Any]:
    whole = posted_receipts.parsed(posted.body)
    found = posted_receipts.part(whole, "results")
    return posted_receipts.entries(found if found is not None else whole or None)


def _entry(carrier: str, settings: Mapping[str, object], value: object) -> posted_receipts.Entry:
    given = posted_receipts.entry(value)
    return _receipt(carrier, given) if given.get("status") is not None else _inbound(carrier, settings, given)


def _receipt(carrier: str, given: Mapping[str, Any]) -> posted_receipts.Entry:
    message, status, error = (
        posted_receipts.required(given.get("messageId"), "messageId"),
        given["status"],
        given.get("error"),
    )
    group, id_ = _group(status), posted_receipts.integer(posted_receipts.part(status, "id"))
    if group is None:
        raise ValueError("status.groupId must be a number")
    verdict = ReceiptVerdict.PENDING if id_ == DELIVERED_TO_OPERATOR else GROUPS.get(group, ReceiptVerdict.PENDING)
    failed = verdict is ReceiptVerdict.FAILED
    at_fault = error if posted_receipts.integer(posted_receipts.part(error, "id")) else status
    receipt = Receipt(
        carrier=carrier,
        key=f"{message}/{group if id_ is None else id_}",
        verdict=verdict,
        carrier_ref=message,
        ref=posted_receipts.our_ref(given.get("callbackData")) or posted_receipts.our_ref(message),
        code=posted_receipts.label(posted_receipts.part(at_fault, "name")) if failed else None,
        at=posted_receipts.moment(given.get("doneAt")),
        raw=posted_receipts.stored_fields({**given, "status": id_, "error": posted_receipts.part(error, "id")}, _KEPT),
        retryable=failed and may_another_help(_reason(id_, error)),
    )
    return posted_receipts.checked(receipt, group in GROUPS)


def _group(status: object) -> int | None:
    """Return the group of a status, by its name where it has no number."""
    group = posted_receipts.integer(posted_receipts.part(status, "groupId"))
    return GROUP_NAMES.get(str(posted_receipts.part(status, "groupName")).upper()) if group is None else group


def _reason(status: int | None, error: object) -> RefusalReason | None:
    """Return why a delivery failed: by its error, if there is one, else by its status."""
    group = posted_receipts.integer(posted_receipts.part(error, "groupId"))
    if not posted_receipts.integer(posted_receipts.part(error, "id")) or group not in ERROR_GROUPS:
        return REJECTIONS.get(status) if status is not None else None
    if group == _OPERATOR and posted_receipts.boolean(posted_receipts.part(error, "permanent")) is not False:
        return None
    return ERROR_GROUPS[group]


def _inbound(carrier: str, settings: Mapping[str, object], given: Mapping[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        **posted_receipts.inbound_key(given.get("messageId"), given.get("from"), given.get("to"), given.get("text")),
        phone=posted_receipts.number(given.get("from"), "from", settings),
        sender=posted_receipts.number(given.get("to"), "to", settings),
        body=posted_receipts.text(given.get("text"), "text"),
        at=posted_receipts.moment(given.get("receivedAt")),
    )


KIND = CarrierKind(
    "infobip",
    make,
    receipts=HttpReceipts(read, authenticate, secrets=("receipt_token", "receipt_username")),
    codes={
        "status.id, receipt too": REJECTIONS,
        "HTTP status": REFUSALS,
        "field of HTTP status 400": FIELDS,
        "receipt: error.groupId": ERROR_GROUPS,
    },
    sends_dlt=has_ids,
)
