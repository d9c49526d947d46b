"""What passes between us and a carrier."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schema.vocabulary import Encoding, MessageClass, Outcome, Verdict


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Receipt:
    """One delivery report, as the carrier's file understood it."""

    carrier: str
    #: what makes it the same report when it comes again
    key: str
    verdict: Verdict
    #: the carrier's reference
    carrier_ref: str | None
    #: our reference, where the carrier echoes it
    ref: UUID | None
    #: the carrier's own code
    code: str | None
    #: when it happened, by the carrier's clock
    at: datetime | None
    #: the report as it came
    raw: str
