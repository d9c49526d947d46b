"""Values exchanged with carriers: parcels to submit, attempts, delivery receipts, inbound messages, bind reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schema.dead_letter import DeadLetter
from schema.message_class import MessageClass
from schema.refusals import RefusalReason
from schema.value_class import value_class
from schema.vocabulary import Encoding, Outcome, ReceiptVerdict


class ReceiptAuthentication(StrEnum):
    """How a carrier's HTTP posts (receipts, inbound messages) are authenticated."""

    #: by a secret shared with the carrier
    ENFORCED = "proven"
    #: not authenticated: every request to the URL is accepted
    WAIVED = "open"
    #: the secret is not configured: every request is refused
    UNCONFIGURED = "refused"


@value_class
class Parcel:
    """One message as it is submitted to a carrier."""

    #: our reference: the message's id, the same at every attempt and every carrier
    ref: UUID
    #: E.164, with the plus
    to: str
    sender: str
    body: str
    encoding: Encoding
    segments: int
    message_class: MessageClass
    #: the carrier should stop trying after this time
    valid_until: datetime | None = None
    #: ISO 3166-1 alpha-2, or ""
    country: str = ""


@value_class
class Attempt:
    """The result of submitting one parcel to one carrier."""

    ref: UUID
    outcome: Outcome
    #: the carrier's message id, where it returned one
    carrier_ref: str | None = None
    #: the carrier's code, or ours for a transport failure ("timeout", "reset")
    code: str | None = None
    #: further details for operators; never a number or a body
    detail: str | None = None
    #: throttled: seconds to wait, after which the same carrier may get it again
    retry_after: float | None = None
    #: the carrier's ids of all parts, where a long message was submitted in parts
    parts: tuple[str, ...] = ()
    #: why it was refused, where the carrier's code says
    reason: RefusalReason | None = None


@value_class
class Receipt:
    """One delivery receipt, as the carrier's module parsed it."""

    carrier: str
    #: deduplication key: the same when the carrier repeats the receipt
    key: str
    verdict: ReceiptVerdict
    #: the carrier's message id
    carrier_ref: str | None
    #: our reference, where the carrier echoes it
    ref: UUID | None
    #: the carrier's code
    code: str | None
    #: time of the event, by the carrier's clock
    at: datetime | None
    #: the receipt as received, without the message's text
    raw: str
    #: it failed for a reason that may not hold for another carrier
    retryable: bool = False


@value_class
class Inbound:
    """One message from a handset (MO), as the carrier's module parsed it."""

    carrier: str
    #: deduplication key: the same when the carrier repeats the message
    key: str
    #: sender: E.164 with the plus where it is a number, in the canonical form that opt-outs are stored under
    phone: str
    #: recipient: one of our numbers or short codes
    sender: str
    body: str
    #: when it was sent, by the carrier's clock
    at: datetime | None
    #: part of a long message: its reference, part number from 1, number of parts
    part_ref: int | None = None
    part: int | None = None
    of: int | None = None
    #: of a part: its octets and their coding (`rules/text`); a character may be split between two parts
    octets: bytes | None = None
    coding: str | None = None
    #: the key before its `/` may be the same message, repeated because our response was lost
    is_doubtful: bool = False


@value_class
class SuspectedReceipt:
    """An inbound message that reads like a delivery receipt but is not marked as one."""

    receipt: Receipt
    #: the dead letter to keep if the carrier did assign the message id that it names
    letter: DeadLetter


@value_class
class CarrierEvents:
    """What one piece of carrier input holds: receipts, inbound messages, late submit results, unreadable input."""

    receipts: list[Receipt]
    inbound: list[Inbound]
    #: results for messages whose attempt was recorded as unknown meanwhile
    late: list[Attempt] = field(default_factory=list)
    #: input that cannot be parsed or interpreted
    dead: list[DeadLetter] = field(default_factory=list)
    #: possible receipts that were taken for inbound messages
    suspects: list[SuspectedReceipt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BindReport:
    """State of one carrier's binds in one process."""

    bound: int
    wanted: int
    #: code of the last failure; None: all binds are up
    fault: str | None = None
    #: diagnostics of the SMSC: code and how often it was seen
    remarks: Mapping[str, int] = field(default_factory=dict)


@value_class
class Posted:
    """One HTTP request from a carrier, not authenticated yet."""

    method: str
    #: the public URL that the carrier called: scheme, host, path and query
    url: str
    #: names in lower case
    headers: Mapping[str, str]
    body: bytes
