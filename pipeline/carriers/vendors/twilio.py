"""Twilio's Messages resource (SMS API).

    POST /2010-04-01/Accounts/{sid}/Messages.json    To, From or MessagingServiceSid, Body, StatusCallback,
                                                     ValidityPeriod
    201 {"sid", "status": "queued|accepted", …}      accepted
    4xx {"code", "message", "status"}                refused, by its code in CODES
    429                                              throttled; «requests that receive 429 aren't processed»
    anything else                                    unknown

Twilio returns no reference of ours, so the callback URL contains it. It has no idempotency key: blind.

www.twilio.com/docs/messaging/api/message-resource, …/docs/api/errors, …/docs/usage/webhooks/webhooks-security,
…/docs/messaging/guides/outbound-message-status-in-status-callbacks

Settings: those of every vendor (`base_url`: https://api.twilio.com), `account_sid`, `auth_token` (also authenticates
receipts), `api_key` and `api_secret` (used instead of the token to send), `messaging_service_sid` (used instead of the
message's own sender), `receipt_url` (as Twilio is to call it; its signature covers it).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pipeline.carriers.contract import CarrierKind, HttpReceipts
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts, urls
from pipeline.carriers.vendors.vendor_client import (
    FORM,
    BalanceQuery,
    StatusQuery,
    VendorCarrier,
    VendorConnection,
    accepted,
    basic,
    e164,
    form,
    money,
    refused,
    seconds_left,
    secret,
    throttled,
    unknown,
    unknown_response,
)
from pipeline.rules.consent.stop_keyword_detection import Vocabulary
from pipeline.rules.routing.retryable import may_another_help
from schema.carriage import Attempt, CarrierEvents, Inbound, Parcel, Posted, Receipt
from schema.refusals import RefusalReason
from schema.vocabulary import InboundAction, ReceiptVerdict

#: limits of ValidityPeriod, in seconds
VALIDITY = (1, 36_000)
#: bytes up to which other forms of the signed URL are tried: Twilio's own posts are far smaller
_SMALL = 24_576
#: reason of each code, in responses and receipts: with a messaging service many refusals come as the latter
CODES: dict[str, RefusalReason] = {
    "20003": RefusalReason.ACCOUNT,  # authentication
    "20005": RefusalReason.ACCOUNT,  # not active
    "20403": RefusalReason.ACCOUNT,  # forbidden
    "20404": RefusalReason.ACCOUNT,  # no such account
    "20429": RefusalReason.LIMIT,  # too many requests
    "20500": RefusalReason.IN_DOUBT,  # internal server error
    "21201": RefusalReason.INVALID_NUMBER,  # no To
    "21210": RefusalReason.SENDER_REFUSED,  # From not verified
    "21211": RefusalReason.INVALID_NUMBER,  # invalid To
    "21212": RefusalReason.SENDER_REFUSED,  # invalid From
    "21214": RefusalReason.INVALID_NUMBER,  # To cannot be reached
    "21217": RefusalReason.INVALID_NUMBER,  # not a phone number
    "21219": RefusalReason.ACCOUNT,  # To not verified, on a trial
    "21265": RefusalReason.INVALID_NUMBER,  # To is a short code
    "21266": RefusalReason.INVALID_NUMBER,  # To and From are the same
    "21267": RefusalReason.SENDER_REFUSED,  # a name as From is not allowed
    "21268": RefusalReason.INVALID_NUMBER,  # To is a premium number
    "21408": RefusalReason.NO_ROUTE,  # region not enabled for our account
    "21601": RefusalReason.SENDER_REFUSED,  # From is not capable of SMS
    "21602": RefusalReason.INVALID_TEXT,  # no body
    "21603": RefusalReason.SENDER_REFUSED,  # no From
    "21604": RefusalReason.INVALID_NUMBER,  # no To
    "21605": RefusalReason.INVALID_TEXT,  # body too long
    "21606": RefusalReason.SENDER_REFUSED,  # From cannot reach this destination
    "21607": RefusalReason.SENDER_REFUSED,  # From is not our trial number
    "21608": RefusalReason.ACCOUNT,  # To not verified, on a trial
    "21609": RefusalReason.CONFIGURATION,  # invalid StatusCallback
    "21610": RefusalReason.OPTED_OUT,
    "21611": RefusalReason.LIMIT,  # From has too many messages queued
    "21612": RefusalReason.NO_ROUTE,  # from From to To
    "21614": RefusalReason.INVALID_NUMBER,  # To is no mobile number
    "21616": RefusalReason.SENDER_REFUSED,  # From matches several numbers
    "21617": RefusalReason.INVALID_TEXT,  # body too long
    "21618": RefusalReason.INVALID_TEXT,  # body of characters that cannot be sent
    "21619": RefusalReason.INVALID_TEXT,  # neither body nor media
    "21620": RefusalReason.CONFIGURATION,  # invalid media URL
    "21635": RefusalReason.INVALID_NUMBER,  # To is a landline
    "21654": RefusalReason.CONFIGURATION,  # content template required
    "21655": RefusalReason.CONFIGURATION,  # invalid content template
    "21656": RefusalReason.CONFIGURATION,  # invalid content variables
    "21659": RefusalReason.SENDER_REFUSED,  # From is not a Twilio number
    "21660": RefusalReason.SENDER_REFUSED,  # From is not ours
    "21661": RefusalReason.SENDER_REFUSED,  # From is not capable of SMS
    "21701": RefusalReason.CONFIGURATION,  # no such messaging service
    "21702": RefusalReason.CONFIGURATION,  # messaging service not available
    "21703": RefusalReason.SENDER_REFUSED,  # messaging service without numbers
    "21704": RefusalReason.SENDER_REFUSED,  # messaging service without a number for there
    "21705": RefusalReason.CONFIGURATION,  # invalid messaging service
    "21730": RefusalReason.CARRIER_FAULT,  # maintenance
    "30001": RefusalReason.LIMIT,  # queue overflow
    "30002": RefusalReason.ACCOUNT,  # suspended
    "30003": RefusalReason.ABSENT,
    "30004": RefusalReason.OPTED_OUT,  # blocked by the recipient
    "30005": RefusalReason.INVALID_NUMBER,  # unknown handset
    "30006": RefusalReason.NO_ROUTE,  # a landline, or a network that Twilio does not reach
    "30007": RefusalReason.FORBIDDEN_TEXT,  # filtered
    "30008": RefusalReason.UNSPECIFIED,
    "30009": RefusalReason.UNSPECIFIED,  # a segment went missing
    "30010": RefusalReason.CONFIGURATION,  # dearer than MaxPrice
    "30011": RefusalReason.NO_ROUTE,  # MMS not supported there
    "30012": RefusalReason.EXPIRED,  # validity too short
    "30013": RefusalReason.EXPIRED,  # validity too long for the network
    "30017": RefusalReason.LIMIT,  # congestion
    "30018": RefusalReason.SENDER_REFUSED,  # not registered there
    "30019": RefusalReason.INVALID_TEXT,  # larger than the network takes
    "30022": RefusalReason.LIMIT,  # 10DLC rate
    "30023": RefusalReason.LIMIT,  # 10DLC day's cap
    "30024": RefusalReason.SENDER_REFUSED,  # numeric sender not provisioned
    "30027": RefusalReason.LIMIT,  # T-Mobile day's limit of the brand
    "30032": RefusalReason.SENDER_REFUSED,  # toll-free number not verified
    "30033": RefusalReason.SENDER_REFUSED,  # 10DLC campaign suspended
    "30034": RefusalReason.SENDER_REFUSED,  # number without a 10DLC campaign
    "30035": RefusalReason.SENDER_REFUSED,  # number is being configured
    "30036": RefusalReason.EXPIRED,
    "30037": RefusalReason.ACCOUNT,  # outbound messaging disabled
    "30038": RefusalReason.FORBIDDEN_TEXT,  # a one-time password, which is filtered
    "30039": RefusalReason.FORBIDDEN_TEXT,  # message loop
    "30040": RefusalReason.SENDER_REFUSED,  # destination requires registration
    "30041": RefusalReason.SENDER_REFUSED,  # sender rejected by the network
    "30410": RefusalReason.CARRIER_FAULT,  # timeout at a provider
    "30450": RefusalReason.FORBIDDEN_TEXT,  # suspected SMS pumping
    "30453": RefusalReason.FORBIDDEN_TEXT,  # suspected SMS pumping
    "30500": RefusalReason.CARRIER_FAULT,
    "63038": RefusalReason.LIMIT,  # the account's messages of the day
}
STATUSES: dict[str, ReceiptVerdict] = {
    "accepted": ReceiptVerdict.PENDING,
    "scheduled": ReceiptVerdict.PENDING,
    "queued": ReceiptVerdict.PENDING,
    "sending": ReceiptVerdict.PENDING,
    "sent": ReceiptVerdict.PENDING,
    "partially_delivered": ReceiptVerdict.PENDING,
    "delivered": ReceiptVerdict.DELIVERED,
    "read": ReceiptVerdict.DELIVERED,
    "undelivered": ReceiptVerdict.FAILED,
    "failed": ReceiptVerdict.FAILED,
    "canceled": ReceiptVerdict.FAILED,
}
#: status of messages that never left Twilio: a code missing here then counts as in a response
NOT_SENT = "failed"
_BUILT_IN = Vocabulary([])
_KEPT = ("MessageSid", "MessageStatus", "ErrorCode", "RawDlrDoneDate")


def make(name: str, settings: Mapping[str, object]) -> VendorCarrier:
    """Create the carrier; ConfigurationError names the invalid setting."""
    options = SettingReader(name, settings)
    line = VendorConnection(options, "https://api.twilio.com")
    sid = secret(options, "account_sid")
    token = secret(options, "auth_token")
    key, key_secret = secret(options, "api_key", ""), secret(options, "api_secret", "")
    if bool(key) != bool(key_secret):
        raise options.unfit("api_secret" if key else "api_key", "is required with the other")
    service, receipt_url = options.text("messaging_service_sid", ""), secret(options, "receipt_url", "")
    options.finish()
    account = f"/2010-04-01/Accounts/{quote(sid, safe='')}"
    headers = {"authorization": basic(key or sid, key_secret or token), "accept": "application/json"}
    head = line.head(f"{account}/Messages.json", headers, content=FORM)

    def question(_: Parcel, carrier_ref: str | None) -> bytes | None:
        return line.get(f"{account}/Messages/{quote(carrier_ref, safe='')}.json", headers) if carrier_ref else None

    return VendorCarrier(
        line,
        partial(write, head, service, urls.around(receipt_url, "ref") if receipt_url else None),
        judge,
        question=StatusQuery(question, judge_status),
        balance_query=BalanceQuery(line.get(f"{account}/Balance.json", headers), read_balance),
    )


def write(head: bytes, service: str, called: tuple[str, str] | None, parcel: Parcel, now: datetime) -> bytes:
    """Return the HTTP request for one parcel."""
    fields = {"To": parcel.to, "Body": parcel.body}
    fields |= {"MessagingServiceSid": service} if service else {"From": e164(parcel.sender)}
    if called:
        before, after = called
        fields["StatusCallback"] = f"{before}{parcel.ref}{after}"
    if seconds := seconds_left(parcel, now, *VALIDITY):
        fields["ValidityPeriod"] = str(seconds)
    return form(head, fields)


def judge(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt for the message with our reference `ref`, by its response."""
    body = posted_receipts.parsed(answer.body)
    if answer.status == 201:
        return accepted(ref, posted_receipts.part(body, "sid"))
    code = posted_receipts.integer(posted_receipts.part(body, "code"))
    if answer.status == 429 and (code == 20429 or str(code) not in CODES):
        return throttled(ref, answer)
    if 400 <= answer.status < 500 and code is not None:
        return refused(ref, CODES.get(str(code), RefusalReason.UNSPECIFIED), code, answer)
    return unknown_response(ref, answer)


def judge_status(ref: UUID, answer: HttpResponse) -> Attempt:
    """Return the attempt by a status query for a sid."""
    if answer.status == 200:
        return accepted(ref, posted_receipts.part(posted_receipts.parsed(answer.body), "sid"))
    return unknown(ref, f"http_{answer.status}")


def read_balance(answer: HttpResponse) -> tuple[Decimal, str] | None:
    """Return the balance of `{"balance", "currency"}`."""
    body = posted_receipts.parsed(answer.body)
    return money(posted_receipts.part(body, "balance"), posted_receipts.part(body, "currency"))


def authenticate(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Return False: the signature is over the body; ReceiptForged if there is none."""
    return posted_receipts.require_signature(carrier, posted, "x-twilio-signature")


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
    """Return the receipt or inbound message in one request; ReceiptForged if its signature is wrong."""
    pairs = posted_receipts.fields(posted)
    _check_signature(carrier, posted_receipts.setting(settings, "auth_token"), posted, pairs)
    return posted_receipts.read_each(carrier, posted, lambda: [dict(pairs)], partial(_entry, carrier, settings, posted))


def _check_signature(carrier: str, token: str, posted: Posted, pairs: list[tuple[str, str]]) -> None:
    """Compare the signature with the called URL and its other forms: ReceiptForged if none matches."""
    fields = "".join(name + value for name, value in sorted(set(pairs))) if posted.body else ""
    spellings = urls.signed_forms(posted.url, posted.headers) if len(posted.body) <= _SMALL else iter((posted.url,))
    messages = (f"{url}{fields}".encode("utf-8", "surrogatepass") for url in spellings)
    given = posted.headers.get("x-twilio-signature", "")
    posted_receipts.check_any_mac(carrier, token, "auth_token", messages, given, algorithm="sha1", spelling="base64")


def _entry(
    carrier: str, settings: Mapping[str, object], posted: Posted, given: dict[str, str]
) -> posted_receipts.Entry:
    is_report = "MessageStatus" in given or ("SmsStatus" in given and "Body" not in given)  # older callbacks
    return _receipt(carrier, given, posted) if is_report else _inbound(carrier, settings, given)


def _receipt(carrier: str, given: dict[str, str], posted: Posted) -> posted_receipts.Entry:
    sid = posted_receipts.required(given.get("MessageSid") or given.get("SmsSid"), "MessageSid")
    status = posted_receipts.required(given.get("MessageStatus") or given.get("SmsStatus"), "status")
    code, verdict = posted_receipts.label(given.get("ErrorCode")), STATUSES.get(status.lower(), ReceiptVerdict.PENDING)
    unlisted = RefusalReason.UNSPECIFIED if status.lower() == NOT_SENT else None
    receipt = Receipt(
        carrier=carrier,
        key=f"{sid}/{status}",
        verdict=verdict,
        carrier_ref=sid,
        ref=posted_receipts.our_ref(posted_receipts.query(posted).get("ref")),
        code=code,
        at=None,
        raw=posted_receipts.stored_fields(given, _KEPT),
        retryable=verdict is ReceiptVerdict.FAILED and may_another_help(CODES.get(code or "", unlisted)),
    )
    return posted_receipts.checked(receipt, status.lower() in STATUSES)


def _inbound(carrier: str, settings: Mapping[str, object], given: dict[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        key=posted_receipts.required(given.get("MessageSid"), "MessageSid"),
        phone=posted_receipts.number(given.get("From"), "From", settings),
        sender=posted_receipts.number(given.get("To"), "To", settings),
        body=_as_meant(posted_receipts.text(given.get("Body"), "Body"), given.get("OptOutType")),
        at=None,
    )


def _as_meant(body: str, opt_out: object) -> str:
    """Return a text with STOP before it where Twilio took it for an opt-out, by a keyword set in its console."""
    is_stop = str(opt_out).upper() == "STOP" and _BUILT_IN.read(body).action is not InboundAction.STOP
    return f"STOP {body}" if is_stop else body


def _response(_carrier: str, _settings: Mapping[str, object]) -> tuple[int, str, str]:
    return 200, "text/xml", "<Response/>"  # it understands TwiML alone


KIND = CarrierKind(
    "twilio",
    make,
    receipts=HttpReceipts(read, authenticate, secrets=("auth_token",), response=_response),
    codes={"code, receipt too": CODES},
)
