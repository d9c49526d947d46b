"""What passes between us and a carrier."""

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
    """How what a carrier posts over HTTP is proved to be its own."""

    #: by a secret that only the carrier and we know
    HELD = "proven"
    #: not at all: whoever knows the address is believed
    WAIVED = "open"
    #: it cannot be, for want of a secret: nothing is believed
    LACKING = "refused"


@value_class
class Parcel:
    """One message as a carrier is given it."""

    #: our reference: the message's id, the same at every try and every carrier
    ref: UUID
    #: E.164, with the plus
    to: str
    sender: str
    body: str
    encoding: Encoding
    segments: int
    message_class: MessageClass
    #: the carrier should give up after this moment
    valid_until: datetime | None = None
    #: ISO 3166-1 alpha-2, or ""
    country: str = ""


@value_class
class Attempt:
    """What became of one parcel at one carrier."""

    ref: UUID
    outcome: Outcome
    #: the carrier's own reference, when it gave one
    carrier_ref: str | None = None
    #: the carrier's own code, or ours for a fault of the wire ("timeout", "reset")
    code: str | None = None
    #: more words for whoever looks; never a number or a body
    detail: str | None = None
    #: refused for now because we send too fast: the seconds to wait, after which the same carrier may have it
    retry_after: float | None = None
    #: the carrier's references of all parts, where it was given a long message in parts
    parts: tuple[str, ...] = ()
    #: why it was refused, where the carrier's file can tell
    reason: RefusalReason | None = None


@value_class
class Receipt:
    """One delivery report, as the carrier's file understood it."""

    carrier: str
    #: what makes it the same report when it comes again
    key: str
    verdict: ReceiptVerdict
    #: the carrier's reference
    carrier_ref: str | None
    #: our reference, where the carrier echoes it
    ref: UUID | None
    #: the carrier's own code
    code: str | None
    #: when it happened, by the carrier's clock
    at: datetime | None
    #: the report as it came, without the message's text
    raw: str
    #: it failed for a reason that another carrier may not have
    retryable: bool = False


@value_class
class Inbound:
    """One message from a handset (MO), as the carrier's file understood it."""

    carrier: str
    #: what makes it the same message when it comes again
    key: str
    #: who wrote: E.164 with the plus, in the form by which consent is decided, where he has a number
    phone: str
    #: what he wrote to: a number, a short code
    sender: str
    body: str
    #: when it was written, by the carrier's clock
    at: datetime | None
    #: of a long message that came in parts: its reference, which part from 1, of how many
    part_ref: int | None = None
    part: int | None = None
    of: int | None = None
    #: of a part: its octets and how they are coded (`rules/text`); a character may be cut between two parts
    octets: bytes | None = None
    coding: str | None = None
    #: what came before the `/` of its key may be the same message, brought again because our answer got lost
    is_doubtful: bool = False


@value_class
class SuspectedReceipt:
    """What reads like a delivery report and does not say that it is one."""

    receipt: Receipt
    #: what is set aside where the carrier did give the reference that it names
    letter: DeadLetter


@value_class
class CarrierEvents:
    """What came from a carrier in one piece: receipts, messages from handsets, answers that came too late."""

    receipts: list[Receipt]
    inbound: list[Inbound]
    #: what became of messages whose attempt was left unknown meanwhile
    late: list[Attempt] = field(default_factory=list)
    #: what cannot be read, or not be understood
    dead: list[DeadLetter] = field(default_factory=list)
    #: what may be receipts, and was taken for messages from handsets
    suspects: list[SuspectedReceipt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BindReport:
    """How the binds of one carrier stand in one process."""

    bound: int
    wanted: int
    #: why the last one that failed did, as a code; None: all stand
    fault: str | None = None
    #: what is odd about the other end, as a code, and how often it was seen
    remarks: Mapping[str, int] = field(default_factory=dict)


@value_class
class Posted:
    """One HTTP request of a carrier to us, before anybody believes it."""

    method: str
    #: as the carrier was told to call it: scheme, host, path and query
    url: str
    #: names in lower case
    headers: Mapping[str, str]
    body: bytes
