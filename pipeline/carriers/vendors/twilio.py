"""Twilio's Messages resource.

    POST /2010-04-01/Accounts/{sid}/Messages.json    To, From or MessagingServiceSid, Body, StatusCallback,
                                                     ValidityPeriod
    201 {"sid", "status": "queued|accepted", …}      accepted
    4xx {"code", "message", "status"}                refused, by the code's place in ERRORS
    429                                              refused for now; «requests that receive 429 aren't processed»
    anything else                                    unknown

Twilio echoes nothing of ours, so our reference travels in the URL it calls back. It has no key against doubles: blind.

www.twilio.com/docs/messaging/api/message-resource, …/docs/api/errors, …/docs/usage/webhooks/webhooks-security,
…/docs/messaging/guides/outbound-message-status-in-status-callbacks

Settings: those of every line (`base_url`: https://api.twilio.com), `account_sid`, `auth_token` (also proves receipts),
`api_key` and `api_secret` (to send with instead of the token), `messaging_service_sid` (sends instead of the message's
own sender), `receipt_url` (as Twilio is to call it; its signature covers it).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pipeline.carriers.http1 import Answer
from pipeline.carriers.options import Options
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.exchange import (
    FORM,
    Line,
    Purse,
    Question,
    Vendor,
    accepted,
    basic,
    e164,
    form,
    money,
    refused,
    seconds_left,
    secret,
    throttled,
    unclear,
    unknown,
)
from schema.carriage import Attempt, Heard, Inbound, Parcel, Posted, Receipt
from schema.vocabulary import Outcome, Verdict

_NEVER, _LATER = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

#: seconds Twilio may be told to try for
VALIDITY = (1, 36_000)
#: what each code says of the message; a code that is not here is taken for a fault of ours with Twilio alone: for now
ERRORS: dict[int, Outcome] = {
    20003: _LATER,  # authentication
    20005: _LATER,  # account not active
    20403: _LATER,  # forbidden
    20404: _LATER,  # no such account
    20429: _LATER,  # too many requests
    21211: _NEVER,  # invalid To
    21212: _LATER,  # invalid From
    21214: _NEVER,  # To cannot be reached
    21217: _NEVER,  # not a phone number
    21219: _LATER,  # To not verified, on a trial
    21265: _NEVER,  # To is a short code
    21266: _NEVER,  # To and From are the same
    21408: _LATER,  # region not enabled for our account
    21601: _LATER,  # From is not capable of SMS
    21602: _NEVER,  # no body
    21603: _LATER,  # no From
    21604: _NEVER,  # no To
    21605: _NEVER,  # body too long
    21606: _LATER,  # From cannot reach this destination
    21607: _LATER,  # From is not our trial number
    21608: _LATER,  # To not verified, on a trial
    21609: _LATER,  # invalid StatusCallback
    21610: _NEVER,  # the recipient opted out
    21611: _LATER,  # From has too many messages queued
    21612: _LATER,  # no route from From to To
    21614: _NEVER,  # To is no mobile number
    21617: _NEVER,  # body too long
    21635: _NEVER,  # To is a landline
    21659: _LATER,  # From is not a Twilio number
    21660: _LATER,  # From is not ours
    21661: _LATER,  # From is not capable of SMS
    21701: _LATER,  # no such messaging service
    21702: _LATER,  # messaging service not available
    21703: _LATER,  # messaging service without numbers
    21705: _LATER,  # invalid messaging service
    21730: _LATER,  # maintenance
    63038: _LATER,  # the account's messages of the day are used up
}
STATUSES: dict[str, Verdict] = {
    "accepted": Verdict.PENDING,
    "scheduled": Verdict.PENDING,
    "queued": Verdict.PENDING,
    "sending": Verdict.PENDING,
    "sent": Verdict.PENDING,
    "partially_delivered": Verdict.PENDING,
    "delivered": Verdict.DELIVERED,
    "read": Verdict.DELIVERED,
    "undelivered": Verdict.FAILED,
    "failed": Verdict.FAILED,
    "canceled": Verdict.FAILED,
}
#: codes of a failed delivery, and whether another carrier may do better; a code that is not here: no
RETRYABLE: dict[str, bool] = {
    "21610": False,  # the recipient opted out
    "30001": True,  # queue overflow
    "30002": True,  # account suspended
    "30003": False,  # handset unreachable
    "30004": False,  # blocked by the recipient
    "30005": False,  # unknown handset
    "30006": True,  # landline, or a network that Twilio does not reach
    "30007": False,  # filtered as spam
    "30008": True,  # unknown
    "30010": True,  # dearer than MaxPrice
    "30017": True,  # congestion
    "30018": True,  # the sender is not registered there
    "30019": False,  # larger than the network takes
    "30022": True,  # 10DLC rate exceeded
    "30023": True,  # 10DLC day's cap reached
    "30024": True,  # numeric sender not provisioned
    "30032": True,  # toll-free number not verified
    "30034": True,  # number without a 10DLC campaign
    "30036": False,  # validity expired
    "30410": True,  # timeout at a provider
    "30450": False,  # blocked: pumping
    "30500": True,  # Twilio's own fault
}
_KEPT = ("MessageSid", "MessageStatus", "ErrorCode", "RawDlrDoneDate")


def make(name: str, settings: Mapping[str, object]) -> Vendor:
    """Make the carrier; ConfigurationError names the setting that does not fit."""
    options = Options(name, settings)
    line = Line(options, "https://api.twilio.com")
    sid = secret(options, "account_sid")
    token = secret(options, "auth_token")
    key, key_secret = secret(options, "api_key", ""), secret(options, "api_secret", "")
    if bool(key) != bool(key_secret):
        raise options.unfit("api_secret" if key else "api_key", "is required with the other")
    service, called = options.text("messaging_service_sid", ""), secret(options, "receipt_url", "")
    options.finish()
    account = f"/2010-04-01/Accounts/{quote(sid, safe='')}"
    headers = {"authorization": basic(key or sid, key_secret or token), "accept": "application/json"}
    head = line.head(f"{account}/Messages.json", headers, content=FORM)

    def question(_: Parcel, carrier_ref: str | None) -> bytes | None:
        return line.get(f"{account}/Messages/{quote(carrier_ref, safe='')}.json", headers) if carrier_ref else None

    return Vendor(
        line,
        partial(write, head, service, called),
        judge,
        question=Question(question, told),
        purse=Purse(line.get(f"{account}/Balance.json", headers), read_balance),
    )


def write(head: bytes, service: str, called: str, parcel: Parcel, now: datetime) -> bytes:
    """Return the request of one parcel."""
    fields = {"To": parcel.to, "Body": parcel.body}
    fields |= {"MessagingServiceSid": service} if service else {"From": e164(parcel.sender)}
    if called:
        fields["StatusCallback"] = f"{called}{'&' if '?' in called else '?'}ref={parcel.ref}"
    if seconds := seconds_left(parcel, now, *VALIDITY):
        fields["ValidityPeriod"] = str(seconds)
    return form(head, fields)


def judge(ref: UUID, answer: Answer) -> Attempt:
    """Return what an answer says of the message with our reference `ref`."""
    body = posts.parsed(answer.body)
    if answer.status == 201:
        return accepted(ref, posts.part(body, "sid"))
    code = posts.part(body, "code")
    if answer.status == 429 and (code == 20429 or code not in ERRORS):
        return throttled(ref, answer)
    if 400 <= answer.status < 500 and isinstance(code, int):
        return refused(ref, ERRORS.get(code, _LATER), code, answer)
    return unclear(ref, answer)


def told(ref: UUID, answer: Answer) -> Attempt:
    """Return what Twilio says of a sid when asked."""
    if answer.status == 200:
        return accepted(ref, posts.part(posts.parsed(answer.body), "sid"))
    return unknown(ref, f"http_{answer.status}")


def read_balance(answer: Answer) -> tuple[Decimal, str] | None:
    """Return `{"balance", "currency"}`."""
    body = posts.parsed(answer.body)
    return money(posts.part(body, "balance"), posts.part(body, "currency"))


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return the report or the message in one request; ReceiptForged if Twilio did not sign it."""
    pairs = posts.fields(posted)
    signed = posted.url + "".join(name + value for name, value in sorted(set(pairs))) if posted.body else posted.url
    token, given_mac = posts.setting(settings, "auth_token"), posted.headers.get("x-twilio-signature", "")
    posts.prove_mac(carrier, token, "auth_token", signed.encode(), given_mac, algorithm="sha1", spelling="base64")
    given = dict(pairs)
    if "MessageStatus" in given:
        return Heard([_receipt(carrier, given, posted)], [])
    return Heard([], [_inbound(carrier, given)])


def _receipt(carrier: str, given: dict[str, Any], posted: Posted) -> Receipt:
    sid, status = posts.needed(given.get("MessageSid"), "MessageSid"), given["MessageStatus"]
    if status not in STATUSES:
        raise ValueError(f"MessageStatus must be one of {', '.join(STATUSES)}")
    code = posts.word(given.get("ErrorCode"), "ErrorCode")
    return Receipt(
        carrier=carrier,
        key=f"{sid}/{status}",
        verdict=STATUSES[status],
        carrier_ref=sid,
        ref=posts.ours(posts.query(posted).get("ref")),
        code=code,
        at=None,
        raw=posts.kept(given, _KEPT),
        retryable=RETRYABLE.get(code or "", False),
    )


def _inbound(carrier: str, given: dict[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        key=posts.needed(given.get("MessageSid"), "MessageSid"),
        phone=posts.number(given.get("From"), "From"),
        sender=posts.number(given.get("To"), "To"),
        body=posts.text(given.get("Body"), "Body"),
        at=None,
    )
