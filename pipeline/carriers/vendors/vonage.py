"""Vonage's SMS API (once Nexmo).

    POST /sms/json    api_key, api_secret, from, to, text, type, client-ref, ttl, callback
    200 {"message-count": "2", "messages": [{"status": "0", "message-id", "client-ref", …}, …]}

Each part of a long message has its entry: all of status 0 are accepted, all of another are refused by its place in
ERRORS, and a message of which some parts were taken is unknown. Numbers go without their plus. There is no key against
doubles and nothing to ask by: blind.

developer.vonage.com/en/api/sms, …/messaging/sms/guides/troubleshooting-sms, …/messaging/sms/guides/delivery-receipts,
…/getting-started/concepts/signing-messages; the wait in a throttled answer: nyaruka/courier, handlers/nexmo

Settings: those of every line (`base_url`: https://rest.nexmo.com), `api_key`, `api_secret`, `receipt_url`; to prove
receipts `signature_secret` with `signature_method` (md5hash, md5, sha1, sha256, sha512: as the account is set up), or
`receipt_token`.
"""

import hashlib
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

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
    digits,
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
from schema.vocabulary import Encoding, Outcome, Verdict

_NEVER, _LATER = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

#: seconds Vonage may be told to try for
VALIDITY = (20, 604_800)
THROTTLED = "1"
#: what each status but 0 and 1 says of the message; one that is not here: refused for now
ERRORS: dict[str, Outcome] = {
    "2": _NEVER,  # a parameter is missing
    "3": _NEVER,  # a parameter is invalid
    "4": _LATER,  # invalid credentials
    "5": Outcome.UNKNOWN,  # an error while processing this message
    "6": _NEVER,  # invalid message: an unknown prefix
    "7": _NEVER,  # number barred
    "8": _LATER,  # our account is barred
    "9": _LATER,  # no credit left
    "10": _LATER,  # too many connections
    "11": _LATER,  # account not enabled for HTTP
    "12": _NEVER,  # message too long
    "14": _LATER,  # invalid signature
    "15": _LATER,  # sender not allowed there
    "22": _LATER,  # invalid network code
    "23": _LATER,  # invalid callback URL
    "29": _LATER,  # not on the list of a demo account
    "32": _LATER,  # both signature and secret
    "33": _NEVER,  # number deactivated
}
STATUSES: dict[str, Verdict] = {
    "accepted": Verdict.PENDING,
    "buffered": Verdict.PENDING,
    "unknown": Verdict.PENDING,
    "delivered": Verdict.DELIVERED,
    "expired": Verdict.FAILED,
    "failed": Verdict.FAILED,
    "rejected": Verdict.FAILED,
}
#: err-codes of a failed delivery, and whether another carrier may do better; one that is not here: no
RETRYABLE: dict[str, bool] = {
    "1": True,  # unknown
    "2": False,  # absent for now
    "3": False,  # absent for good
    "4": False,  # barred by the user
    "5": True,  # portability
    "6": False,  # spam
    "7": False,  # handset busy
    "8": True,  # network
    "9": False,  # the user does not want it
    "10": False,  # illegal message
    "11": True,  # unroutable
    "12": True,  # destination unreachable
    "13": False,  # age
    "14": False,  # blocked by the network
    "15": False,  # prepaid without funds
    "16": True,  # gateway quota
    "50": False,  # entity filter
    "51": False,  # header filter
    "52": False,  # content filter
    "53": False,  # consent filter
    "54": False,  # regulation
    "99": True,  # general, mostly of the route
}
METHODS = ("md5hash", "md5", "sha1", "sha256", "sha512")
#: what a database holds of a part's reference, which may be any text
_INT4 = 0x7FFF_FFFF
_WAIT = re.compile(r"please wait \[ *([0-9]{1,6}) *\]")
_KEPT = ("messageId", "status", "err-code", "scts", "client-ref", "network-code", "price")


def make(name: str, settings: Mapping[str, object]) -> Vendor:
    """Make the carrier; ConfigurationError names the setting that does not fit."""
    options = Options(name, settings)
    line = Line(options, "https://rest.nexmo.com")
    keys = {"api_key": secret(options, "api_key"), "api_secret": secret(options, "api_secret")}
    called = callback(options)
    secret(options, "signature_secret", "")
    if options.text("signature_method", "sha256") not in METHODS:
        raise options.unfit("signature_method", f"must be one of {', '.join(METHODS)}")
    options.finish()
    head = line.head("/sms/json", content=FORM)
    purse = Purse(line.get(f"/account/get-balance?{urlencode(keys)}"), read_balance)
    return Vendor(line, partial(write, head, {**keys, "callback": called}), judge, purse=purse)


def write(head: bytes, keys: Mapping[str, str], parcel: Parcel, now: datetime) -> bytes:
    """Return the request of one parcel."""
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
    return form(head, fields)


def judge(ref: UUID, answer: Answer) -> Attempt:
    """Return what an answer says of the message with our reference `ref`."""
    parts = posts.part(posts.parsed(answer.body), "messages")
    if answer.status < 500 and isinstance(parts, list) and parts:
        return _of_parts(ref, parts, answer)
    if answer.status == 429:
        return throttled(ref, answer)
    return refused(ref, _LATER, None, answer) if answer.status == 401 else unclear(ref, answer)


def _of_parts(ref: UUID, parts: list[Any], answer: Answer) -> Attempt:
    statuses = {posts.part(each, "status") for each in parts}
    if statuses == {"0"}:
        given = [posts.part(each, "message-id") for each in parts]
        if not all(isinstance(each, str) for each in given):
            return unknown(ref, "unreadable")
        return accepted(ref, given[0], given if len(given) > 1 else ())
    if "0" in statuses:
        return unknown(ref, "partial")
    status = posts.part(parts[0], "status")
    if status == THROTTLED:
        wait = _WAIT.search(str(posts.part(parts[0], "error-text")))
        return throttled(ref, answer, int(wait[1]) / 1000 if wait else None)
    if not isinstance(status, str) or ERRORS.get(status) is Outcome.UNKNOWN:
        return unknown(ref, status if isinstance(status, str) else "unreadable")
    return refused(ref, ERRORS.get(status, _LATER), status, answer)


def read_balance(answer: Answer) -> tuple[Decimal, str] | None:
    """Return `{"value"}`, in euros."""
    return money(posts.part(posts.parsed(answer.body), "value"), "EUR")


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return the report or the message in one request; ReceiptForged if it is not Vonage's."""
    given = posts.report(posted)
    if key := posts.setting(settings, "signature_secret"):
        expected = signature(given, key, posts.setting(settings, "signature_method") or "sha256")
        posts.prove(carrier, expected, str(given.get("sig", "")).lower(), "signature_secret")
    else:
        posts.prove_token(carrier, settings, posted)
    if "status" in given:
        return Heard([_receipt(carrier, given)], [])
    return Heard([], [_inbound(carrier, given)])


def signature(given: Mapping[str, Any], key: str, method: str) -> str:
    """Return the signature of a request's fields, in lower-case hex."""
    text = "".join(
        f"&{name}={re.sub('[&=]', '_', str(value))}" for name, value in sorted(given.items()) if name != "sig"
    )
    if method == "md5hash":
        return hashlib.md5(f"{text}{key}".encode(), usedforsecurity=False).hexdigest()
    return posts.mac(method, key, text.encode())


def _receipt(carrier: str, given: Mapping[str, Any]) -> Receipt:
    message, status = posts.needed(given.get("messageId"), "messageId"), posts.needed(given.get("status"), "status")
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}")
    code = posts.word(given.get("err-code"), "err-code")
    at = None
    with suppress(ValueError):
        at = datetime.strptime(str(given.get("scts")), "%y%m%d%H%M").replace(tzinfo=UTC)
    return Receipt(
        carrier=carrier,
        key=f"{message}/{status}",
        verdict=STATUSES[status],
        carrier_ref=message,
        ref=posts.ours(given.get("client-ref")),
        code=None if code == "0" else code,
        at=at,
        raw=posts.kept(given, _KEPT),
        retryable=STATUSES[status] is Verdict.FAILED and RETRYABLE.get(code or "", False),
    )


def _inbound(carrier: str, given: Mapping[str, Any]) -> Inbound:
    in_parts = str(given.get("concat", "")).lower() == "true"
    return Inbound(
        carrier=carrier,
        key=posts.needed(given.get("messageId"), "messageId"),
        phone=posts.number(given.get("msisdn"), "msisdn"),
        sender=posts.number(given.get("to"), "to"),
        body=posts.text(given.get("text", "" if given.get("type") == "binary" else None), "text"),
        at=posts.moment(given.get("message-timestamp")),
        part_ref=zlib.crc32(str(given.get("concat-ref")).encode()) & _INT4 if in_parts else None,
        part=_whole(given, "concat-part") if in_parts else None,
        of=_whole(given, "concat-total") if in_parts else None,
    )


def _whole(given: Mapping[str, Any], name: str) -> int:
    spelt = str(given.get(name))
    if not (spelt.isdecimal() and len(spelt) <= 3):
        raise ValueError(f"{name} must be a small number")
    return int(spelt)
