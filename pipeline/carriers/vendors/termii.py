"""Termii's messaging API.

    POST /api/sms/send    {"api_key", "to", "from", "sms", "type": "plain", "channel": "dnd|generic"}
    200 {"code": "ok", "message_id", "message": "Successfully Sent", "balance", "user"}
    4xx {"message"}       refused, by its words' place in WORDS, else by the status's in REFUSALS
    429                   refused for now
    anything else         unknown

Numbers go without their plus. It echoes nothing of ours, has no key against doubles and nothing to ask by: blind.

developer.termii.com/messaging-api, …/error, …/events-and-reports, …/incoming, …/balance

Settings: those of every line (`base_url`: required, the account's own), `api_key`, `channel` (dnd), `bulk_channel`
(for messages of the class bulk: generic, which the vendor keeps for promotions), `secret_key` (proves receipts),
`receipt_url` (the dashboard holds it).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pipeline.carriers.http1 import Answer, request
from pipeline.carriers.options import Options
from pipeline.carriers.proofs import is_waived
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.exchange import (
    Line,
    Purse,
    Vendor,
    accepted,
    digits,
    money,
    refused,
    secret,
    throttled,
    unclear,
)
from schema.carriage import Attempt, Heard, Inbound, Parcel, Posted, Receipt
from schema.vocabulary import MessageClass, Outcome, Verdict

_NEVER, _LATER = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

CHANNELS = ("dnd", "generic")
#: what each status says where the words say nothing
REFUSALS: dict[int, Outcome] = {400: _LATER, 401: _LATER, 403: _LATER, 404: _LATER, 405: _LATER, 422: _NEVER}
#: the vendor's words in small letters: our code for them and what they say of the message
WORDS: dict[str, tuple[str, Outcome]] = {
    "unauthorized": ("unauthorized", _LATER),
    "your account is not active": ("account_inactive", _LATER),
    "you are not set up on this route": ("no_route", _LATER),
    "your device has reached the daily limit": ("daily_limit", _LATER),
    "invalid sender id": ("invalid_sender_id", _LATER),
    "device not found": ("no_device", _LATER),
    "insufficient balance": ("insufficient_balance", _LATER),
}
#: the status up to its bar, in small letters
STATUSES: dict[str, Verdict] = {
    "message sent": Verdict.PENDING,
    "delivered": Verdict.DELIVERED,
    "message failed": Verdict.FAILED,
    "dnd active on phone number": Verdict.FAILED,
    "rejected": Verdict.FAILED,
    "expired": Verdict.FAILED,
}
#: statuses that another carrier may turn to the better
RETRYABLE = frozenset({"message failed"})
_KEPT = ("type", "id", "message_id", "status", "sent_at", "cost", "channel")


def make(name: str, settings: Mapping[str, object]) -> Vendor:
    """Make the carrier; ConfigurationError names the setting that does not fit."""
    options = Options(name, settings)
    line = Line(options)
    key = secret(options, "api_key")
    channel, bulk_channel = options.text("channel", "dnd"), options.text("bulk_channel", "generic")
    for setting, value in (("channel", channel), ("bulk_channel", bulk_channel)):
        if value not in CHANNELS:
            raise options.unfit(setting, f"must be one of {', '.join(CHANNELS)}")
    secret(options, "secret_key", "")
    options.text("receipt_url", "")
    options.finish()
    purse = Purse(line.get(f"/api/get-balance?{urlencode({'api_key': key})}"), read_balance)
    return Vendor(line, partial(write, line.head("/api/sms/send"), key, (channel, bulk_channel)), judge, purse=purse)


def write(head: bytes, key: str, channels: tuple[str, str], parcel: Parcel, _: datetime) -> bytes:
    """Return the request of one parcel."""
    message = {
        "api_key": key,
        "to": digits(parcel.to),
        "from": digits(parcel.sender),
        "sms": parcel.body,
        "type": "plain",
        "channel": channels[parcel.message_class is MessageClass.BULK],
    }
    return request(head, json.dumps(message).encode())


def judge(ref: UUID, answer: Answer) -> Attempt:
    """Return what an answer says of the message with our reference `ref`."""
    body = posts.parsed(answer.body)
    if answer.status == 200:
        given = posts.part(body, "message_id_str") or posts.part(body, "message_id")
        return accepted(ref, str(given) if isinstance(given, int) else given)
    if answer.status == 429:
        return throttled(ref, answer)
    if answer.status not in REFUSALS or not isinstance(body, dict):
        return unclear(ref, answer)
    code, outcome = WORDS.get(_plain(body.get("message")), (None, REFUSALS[answer.status]))
    return refused(ref, outcome, code, answer)


def read_balance(answer: Answer) -> tuple[Decimal, str] | None:
    """Return `{"user", "balance", "currency"}`."""
    body = posts.parsed(answer.body)
    return money(posts.part(body, "balance"), posts.part(body, "currency"))


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return the report or the message in one request; ReceiptForged if Termii did not sign it."""
    key, given_mac = posts.setting(settings, "secret_key"), posted.headers.get("x-termii-signature", "").lower()
    if key or not is_waived(settings):
        posts.prove_mac(carrier, key, "secret_key", posted.body, given_mac, algorithm="sha512")
    given = posts.entry(posts.parsed(posted.body))
    if given.get("type") == "inbound":
        return Heard([], [_inbound(carrier, given)])
    if given.get("type") == "device_status":
        return Heard([], [])
    return Heard([_receipt(carrier, given)], [])


def _receipt(carrier: str, given: Mapping[str, Any]) -> Receipt:
    message, status = posts.needed(_spelt(given.get("message_id")), "message_id"), _plain(given.get("status"))
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}")
    failed = STATUSES[status] is Verdict.FAILED
    return Receipt(
        carrier=carrier,
        key=f"{message}/{status}",
        verdict=STATUSES[status],
        carrier_ref=message,
        ref=None,
        code=status.replace(" ", "_") if failed else None,
        at=posts.moment(given.get("sent_at")),
        raw=posts.kept(given, _KEPT),
        retryable=status in RETRYABLE,
    )


def _inbound(carrier: str, given: Mapping[str, Any]) -> Inbound:
    return Inbound(
        carrier=carrier,
        key=posts.needed(_spelt(given.get("message_id")), "message_id"),
        phone=posts.number(given.get("sender"), "sender"),
        sender=posts.number(given.get("receiver"), "receiver"),
        body=posts.text(given.get("message"), "message"),
        at=posts.moment(given.get("received_at")),
    )


def _plain(words: object) -> str:
    return str(words).partition("|")[0].strip().rstrip(".").lower()


def _spelt(value: object) -> object:
    return str(value) if isinstance(value, int) else value
