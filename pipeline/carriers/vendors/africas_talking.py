"""Africa's Talking's messaging API.

    POST /version1/messaging    username, to, from, message; header apiKey
    201 {"SMSMessageData": {"Message", "Recipients": [{"statusCode", "status", "messageId", "cost", "number"}]}}
    201 with no recipient       the fault of the whole request, a word in `Message`
    400, 401, 403 in words      refused for now
    anything else               unknown

It echoes nothing of ours and signs nothing: receipts prove themselves by the `token` of the URL that the dashboard
holds. There is no key against doubles and nothing to ask by: blind.

developers.africastalking.com/docs/sms/sending/bulk, …/docs/sms/notifications; nyaruka/courier, handlers/africastalking;
docs.africastalking.com/sms/deliveryreports

Settings: those of every line (`base_url`: https://api.africastalking.com), `username`, `api_key`, `shared_sender`
(true: the account's shared code sends), `receipt_token` (put it into the callback URLs as `?token=…`), `receipt_url`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from pipeline.carriers.http1 import Answer
from pipeline.carriers.options import Options
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.exchange import (
    FORM,
    Line,
    Purse,
    Vendor,
    accepted,
    callback,
    form,
    money,
    refused,
    secret,
    throttled,
    unclear,
    unknown,
)
from schema.carriage import Attempt, Heard, Inbound, Parcel, Posted, Receipt
from schema.vocabulary import Outcome, Verdict

_NEVER, _LATER = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

#: what each statusCode of a recipient says; one that is not here says nothing for sure
CODES: dict[int, Outcome] = {
    100: Outcome.ACCEPTED,  # Processed
    101: Outcome.ACCEPTED,  # Sent
    102: Outcome.ACCEPTED,  # Queued
    401: _LATER,  # RiskHold
    402: _LATER,  # InvalidSenderId
    403: _NEVER,  # InvalidPhoneNumber
    404: _NEVER,  # UnsupportedNumberType
    405: _LATER,  # InsufficientBalance
    406: _NEVER,  # UserInBlacklist
    407: _LATER,  # CouldNotRoute
    409: _NEVER,  # DoNotDisturbRejection
    500: Outcome.UNKNOWN,  # InternalServerError
    501: Outcome.UNKNOWN,  # GatewayError
    502: _LATER,  # RejectedByGateway
}
#: words of `Message` where there is no recipient
WORDS: dict[str, Outcome] = {"InvalidSenderId": _LATER, "InsufficientBalance": _LATER}
STATUSES: dict[str, Verdict] = {
    "Sent": Verdict.PENDING,
    "Submitted": Verdict.PENDING,
    "Buffered": Verdict.PENDING,
    "Success": Verdict.DELIVERED,
    "Rejected": Verdict.FAILED,
    "Failed": Verdict.FAILED,
    "AbsentSubscriber": Verdict.FAILED,
    "Expired": Verdict.FAILED,
}
#: failureReasons, and whether another carrier may do better; one that is not here: no
RETRYABLE: dict[str, bool] = {
    "InsufficientCredit": False,
    "InvalidLinkId": False,
    "UserIsInactive": False,
    "UserInBlackList": False,
    "UserAccountSuspended": False,
    "NotNetworkSubcriber": True,  # so they spell it
    "NotNetworkSubscriber": True,
    "UserNotSubscribedToProduct": False,
    "UserDoesNotExist": False,
    "DeliveryFailure": True,
    "DoNotDisturbRejection": False,
}
_KEPT = ("id", "status", "failureReason", "networkCode", "retryCount")


def make(name: str, settings: Mapping[str, object]) -> Vendor:
    """Make the carrier; ConfigurationError names the setting that does not fit."""
    options = Options(name, settings)
    line = Line(options, "https://api.africastalking.com")
    user, key = secret(options, "username"), secret(options, "api_key")
    shared = options.flag("shared_sender")
    callback(options)
    options.finish()
    headers = {"apiKey": key, "accept": "application/json"}
    head = line.head("/version1/messaging", headers, content=FORM)
    purse = Purse(line.get(f"/version1/user?username={quote(user, safe='')}", headers), read_balance)
    return Vendor(line, partial(write, head, user, shared), judge, purse=purse)


def write(head: bytes, user: str, shared: bool, parcel: Parcel, _: datetime) -> bytes:
    """Return the request of one parcel."""
    fields = {"username": user, "to": parcel.to, "message": parcel.body, "bulkSMSMode": "1"}
    return form(head, fields if shared else {**fields, "from": parcel.sender})


def judge(ref: UUID, answer: Answer) -> Attempt:
    """Return what an answer says of the message with our reference `ref`."""
    if answer.status == 429:
        return throttled(ref, answer)
    if answer.status in (400, 401, 403):
        return refused(ref, _LATER, None, answer)
    data = posts.part(posts.parsed(answer.body), "SMSMessageData")
    if answer.status not in (200, 201) or not isinstance(data, dict):
        return unclear(ref, answer)
    code = posts.part(data, "Recipients", 0, "statusCode")
    if code is None:
        word = str(data.get("Message"))
        return refused(ref, WORDS[word], word, answer) if word in WORDS else unclear(ref, answer)
    outcome = CODES.get(code, Outcome.UNKNOWN) if isinstance(code, int) else Outcome.UNKNOWN
    if outcome is Outcome.ACCEPTED:
        given = posts.part(data, "Recipients", 0, "messageId")
        return accepted(ref, None if given == "None" else given)
    return unknown(ref, str(code)[:8]) if outcome is Outcome.UNKNOWN else refused(ref, outcome, code, answer)


def read_balance(answer: Answer) -> tuple[Decimal, str] | None:
    """Return `{"UserData": {"balance": "KES 1785.50"}}`."""
    currency, _, amount = str(posts.part(posts.parsed(answer.body), "UserData", "balance")).partition(" ")
    return money(amount, currency)


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return the report, the message or the opt-out in one request; ReceiptForged if its token is wrong."""
    posts.prove_token(carrier, settings, posted)
    given = posts.report(posted)
    if "status" in given:
        return Heard([_receipt(carrier, given)], [])
    return Heard([], [_opt_out(carrier, given) if "senderId" in given else _inbound(carrier, given)])


def _receipt(carrier: str, given: Mapping[str, Any]) -> Receipt:
    message, status = posts.needed(given.get("id"), "id"), posts.needed(given.get("status"), "status")
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}")
    failed = STATUSES[status] is Verdict.FAILED
    code = posts.word(given.get("failureReason"), "failureReason") or (status if failed else None)
    return Receipt(
        carrier=carrier,
        key=f"{message}/{status}",
        verdict=STATUSES[status],
        carrier_ref=message,
        ref=None,
        code=code,
        at=None,
        raw=posts.kept(given, _KEPT),
        retryable=failed and RETRYABLE.get(code or "", False),
    )


def _inbound(carrier: str, given: Mapping[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        key=posts.needed(given.get("id"), "id"),
        phone=posts.number(given.get("from"), "from"),
        sender=posts.number(given.get("to"), "to"),
        body=posts.text(given.get("text"), "text"),
        at=posts.moment(given.get("date")),
    )


def _opt_out(carrier: str, given: Mapping[str, Any]) -> Inbound:
    """Return an opt-out as the message it stands for; it has no id, and one too often does no harm."""
    return Inbound(
        carrier=carrier,
        key=f"opt-out/{uuid4()}",
        phone=posts.number(given.get("phoneNumber"), "phoneNumber"),
        sender=posts.number(given.get("senderId"), "senderId"),
        body="STOP",
        at=None,
    )
