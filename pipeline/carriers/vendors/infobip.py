"""Infobip's SMS API, version 3.

    POST /sms/3/messages    {"messages": [{"sender", "destinations": [{"to", "messageId"}], "content", "options",
                            "webhooks": {"delivery": {"url"}, "contentType", "callbackData"}}]}
    200 {"messages": [{"messageId", "status": {"groupId", "id", "name"}}]}
                            accepted in the groups PENDING and DELIVERED, else by the id's place in REJECTIONS
    4xx {"requestError": {"serviceException": {"messageId", …}}} or {"errorCode", …}
    429                     refused for now
    anything else           unknown

The message's id is ours to give, and the logs of two days can be asked by it: queryable. How long after a request its
log is there the vendor does not say, so that an empty log means nothing unless `trust_empty_log` is set. A second
request with the same id is rejected (23), which says that the first was read but not what became of it.

infobip.com/docs/api/channels/sms, …/docs/essentials/api-essentials/response-status-and-error-codes,
…/docs/developer-resources/api-fundamentals/message-status-codes, …/docs/api/platform/subscriptions-api

Settings: those of every line (`base_url`: required, the account's own), `api_key`, `trust_empty_log` (false),
`receipt_url`; to prove receipts `receipt_token`, or `receipt_username` and `receipt_password` (the BASIC of a
subscription's security settings).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from pipeline.carriers.http1 import Answer, request
from pipeline.carriers.options import Options
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.exchange import (
    Line,
    Purse,
    Question,
    Vendor,
    accepted,
    basic,
    callback,
    digits,
    money,
    refused,
    seconds_left,
    secret,
    throttled,
    unclear,
    unknown,
)
from schema.carriage import Attempt, Heard, Inbound, Parcel, Posted, Receipt
from schema.vocabulary import Doubt, Outcome, Verdict

_NEVER, _LATER = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

#: seconds Infobip may be told to try for
VALIDITY = (30, 172_800)
#: status groups of an answer in which the message is on its way
TAKEN = frozenset({1, 3})
#: what each status that is not on its way says; one that is not here says nothing for sure
REJECTIONS: dict[int, Outcome] = {
    4: _LATER,  # UNDELIVERABLE_REJECTED_OPERATOR
    6: _LATER,  # REJECTED_NETWORK
    8: _NEVER,  # REJECTED_PREFIX_MISSING
    9: _LATER,  # UNDELIVERABLE_NOT_DELIVERED
    10: _NEVER,  # REJECTED_DND
    11: _LATER,  # REJECTED_SOURCE
    12: _LATER,  # REJECTED_NOT_ENOUGH_CREDITS
    13: _LATER,  # REJECTED_SENDER
    14: _NEVER,  # REJECTED_DESTINATION_BLOCKLISTED
    17: _LATER,  # REJECTED_PREPAID_PACKAGE_EXPIRED
    18: _LATER,  # REJECTED_DESTINATION_NOT_REGISTERED
    19: _LATER,  # REJECTED_ROUTE_NOT_AVAILABLE
    20: _LATER,  # REJECTED_FLOODING_FILTER
    21: _LATER,  # REJECTED_SYSTEM_ERROR
    23: Outcome.UNKNOWN,  # REJECTED_DUPLICATE_MESSAGE_ID
    24: _NEVER,  # REJECTED_INVALID_UDH
    25: _NEVER,  # REJECTED_MESSAGE_TOO_LONG
    31: _LATER,  # UNDELIVERABLE_NOT_SENT
    51: _NEVER,  # MISSING_TO
    52: _NEVER,  # REJECTED_DESTINATION
    87: _NEVER,  # SIGNALS_BLOCKED
    100: _LATER,  # UNDELIVERABLE_REJECTED_PLATFORM
}
#: statuses of requests that are refused; 400 by what is wrong with it
REFUSALS = frozenset({400, 401, 403, 404})
#: what a request may name that is the message's own fault
_OF_THE_MESSAGE = ("destinations", "content")
#: report's status groups: PENDING, UNDELIVERABLE, DELIVERED, EXPIRED, REJECTED
GROUPS: dict[int, Verdict] = {
    0: Verdict.PENDING,
    1: Verdict.PENDING,
    2: Verdict.FAILED,
    3: Verdict.DELIVERED,
    4: Verdict.FAILED,
    5: Verdict.FAILED,
}
#: of the group DELIVERED, but to the operator only
DELIVERED_TO_OPERATOR = 2
#: the error group of operators: the others are the handset's and the user's
_OPERATOR = 3
_KEPT = ("bulkId", "messageId", "status", "error", "doneAt", "sentAt", "mccMnc", "messageCount")


def make(name: str, settings: Mapping[str, object]) -> Vendor:
    """Make the carrier; ConfigurationError names the setting that does not fit."""
    options = Options(name, settings)
    line = Line(options, able=Doubt.QUERYABLE)
    headers = {"authorization": f"App {secret(options, 'api_key')}", "accept": "application/json"}
    called, trusted = callback(options), options.flag("trust_empty_log")
    user, password = secret(options, "receipt_username", ""), secret(options, "receipt_password", "")
    if bool(user) != bool(password):
        raise options.unfit("receipt_password" if user else "receipt_username", "is required with the other")
    options.finish()

    def question(parcel: Parcel, _: str | None) -> bytes:
        return line.get(f"/sms/3/logs?messageId={parcel.ref}", headers)

    return Vendor(
        line,
        partial(write, line.head("/sms/3/messages", headers), called),
        judge,
        question=Question(question, partial(told, trusted)),
        purse=Purse(line.get("/account/1/balance", headers), read_balance),
    )


def write(head: bytes, called: str, parcel: Parcel, now: datetime) -> bytes:
    """Return the request of one parcel."""
    message: dict[str, object] = {
        "sender": digits(parcel.sender),
        "destinations": [{"to": digits(parcel.to), "messageId": str(parcel.ref)}],
        "content": {"text": parcel.body},
    }
    hooks: dict[str, object] = {"contentType": "application/json", "callbackData": str(parcel.ref)}
    message["webhooks"] = {**hooks, "delivery": {"url": called}} if called else hooks
    if seconds := seconds_left(parcel, now, *VALIDITY):
        message["options"] = {"validityPeriod": {"amount": seconds, "timeUnit": "SECONDS"}}
    return request(head, json.dumps({"messages": [message]}).encode())


def judge(ref: UUID, answer: Answer) -> Attempt:
    """Return what an answer says of the message with our reference `ref`."""
    body = posts.parsed(answer.body)
    if answer.status == 200:
        message = posts.part(body, "messages", 0)
        return _of_status(ref, posts.part(message, "status"), posts.part(message, "messageId"), answer)
    if answer.status == 429:
        return throttled(ref, answer)
    error = posts.part(body, "requestError", "serviceException") or body
    code = posts.part(error, "messageId") or posts.part(error, "errorCode")
    if answer.status not in REFUSALS or code is None:
        return unclear(ref, answer)
    wrong = f"{posts.part(error, 'validationErrors')}{posts.part(error, 'violations')}"
    its_own = answer.status == 400 and any(word in wrong for word in _OF_THE_MESSAGE)
    return refused(ref, _NEVER if its_own else _LATER, code, answer)


def told(trusted: bool, ref: UUID, answer: Answer) -> Attempt:
    """Return what the logs say of the message with our reference `ref`."""
    results = posts.part(posts.parsed(answer.body), "results")
    if answer.status != 200 or not isinstance(results, list):
        return unknown(ref, f"http_{answer.status}")
    if not results:
        return Attempt(ref, Outcome.NOT_WRITTEN if trusted else Outcome.UNKNOWN, code="not_in_the_log")
    status = posts.part(results, 0, "status")
    if posts.part(status, "groupId") in (1, 2, 3, 4):
        return accepted(ref, posts.part(results, 0, "messageId"))
    return _of_status(ref, status, None, answer)


def _of_status(ref: UUID, status: object, message: object, answer: Answer) -> Attempt:
    id_ = posts.part(status, "id")
    if posts.part(status, "groupId") in TAKEN:
        return accepted(ref, message)
    outcome = REJECTIONS.get(id_, Outcome.UNKNOWN) if isinstance(id_, int) else Outcome.UNKNOWN
    if outcome is Outcome.UNKNOWN:
        return unknown(ref, str(id_)[:8] if isinstance(id_, int) else "unreadable")
    return refused(ref, outcome, id_, answer)


def read_balance(answer: Answer) -> tuple[Decimal, str] | None:
    """Return `{"balance", "currency"}`."""
    body = posts.parsed(answer.body)
    return money(posts.part(body, "balance"), posts.part(body, "currency"))


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return the reports and messages in one request; ReceiptForged if it is not Infobip's."""
    if user := posts.setting(settings, "receipt_username"):
        expected = basic(user, posts.setting(settings, "receipt_password"))
        posts.prove(carrier, expected, posted.headers.get("authorization", ""), "receipt_username")
    else:
        posts.prove_token(carrier, settings, posted)
    heard = Heard([], [])
    for given in posts.entries(posts.part(posts.parsed(posted.body), "results")):
        if "status" in given:
            heard.receipts.append(_receipt(carrier, given))
        else:
            heard.inbound.append(_inbound(carrier, given))
    return heard


def _receipt(carrier: str, given: Mapping[str, Any]) -> Receipt:
    message, status, error = posts.needed(given.get("messageId"), "messageId"), given["status"], given.get("error")
    group, id_ = posts.part(status, "groupId"), posts.part(status, "id")
    if group not in GROUPS or not isinstance(id_, int):
        raise ValueError(f"status.groupId must be one of {', '.join(map(str, GROUPS))}, and status.id a number")
    verdict = Verdict.PENDING if id_ == DELIVERED_TO_OPERATOR else GROUPS[group]
    failed = verdict is Verdict.FAILED
    at_fault = error if posts.part(error, "id") else status
    passing = posts.part(error, "groupId") == _OPERATOR and posts.part(error, "permanent") is False
    callback_data = posts.ours(given.get("callbackData"))
    return Receipt(
        carrier=carrier,
        key=f"{message}/{id_}",
        verdict=verdict,
        carrier_ref=message,
        ref=callback_data or posts.ours(message),
        code=posts.word(posts.part(at_fault, "name"), "name") if failed else None,
        at=posts.moment(given.get("doneAt")),
        raw=posts.kept({**given, "status": id_, "error": posts.part(error, "id")}, _KEPT),
        retryable=failed and (passing or (group == 5 and REJECTIONS.get(id_) is _LATER)),
    )


def _inbound(carrier: str, given: Mapping[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        key=posts.needed(given.get("messageId"), "messageId"),
        phone=posts.number(given.get("from"), "from"),
        sender=posts.number(given.get("to"), "to"),
        body=posts.text(given.get("text"), "text"),
        at=posts.moment(given.get("receivedAt")),
    )
