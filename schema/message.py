"""What we keep of an order, and what we answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schema.message_class import MessageClass
from schema.value_class import value_class
from schema.vocabulary import BatchStatus, Code, Encoding, HoldReason, ResendReason


@value_class
class Refusal:
    """Why something was not taken, in words its sender can act on. Holds no number and no text."""

    code: Code
    message: str
    #: the field at fault, as the order spells it: `recipients[3].to`
    field: str | None = None
    #: which recipient; None: the whole order
    index: int | None = None


@value_class
class Draft:
    """One message ready to be written: number checked, text rendered, carrier chosen."""

    #: its place among the order's recipients; its id is the admission's first id plus this
    index: int
    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or "" where the number belongs to no one country
    country: str
    body: str
    carrier: str
    correlation_id: str | None
    #: when it is day again where its recipient is; None: it may go when its order may
    due_at: datetime | None = None


@value_class
class Measure:
    """How a body travels and in how many parts."""

    encoding: Encoding
    segments: int


@value_class
class Charge:
    """What one message was found to be and to cost."""

    measure: Measure
    amount: int
    quota: int
    #: None: paid for
    refusal: Code | None


@value_class
class Admission:
    """One order, judged: what of it may be written and what was refused."""

    request: UUID
    #: recipient number n gets this id plus n
    first: UUID
    account: int | None
    message_class: MessageClass
    sender: str
    test: bool
    recipients: int
    drafts: list[Draft]
    refusals: list[Refusal]
    send_at: datetime | None = None
    valid_until: datetime | None = None
    idempotency_key: str | None = None
    #: which API it came through; None: an Order of our own
    door: str | None = None
    #: SHA-256 of what was asked, to tell a replay from another order under the same key
    fingerprint: bytes | None = None
    #: what the drafts' carriers were chosen by; None: a test
    snapshot: int | None = None
    #: its account answers for it that its own opt-outs do not hold it up
    skips_opt_outs: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to one order: the same each time it is asked under the same request or key."""

    request: UUID
    #: one id per recipient in the order's own order; None where that one was refused
    messages: list[UUID | None]
    refusals: list[Refusal]
    #: batches still to be measured and paid for; empty when this is a replay
    batches: list[UUID]
    #: an earlier order with this request id or idempotency key was answered again
    replayed: bool = False
    #: the replayed order asked for something else than this one
    altered: bool = False


@value_class
class AcceptedMessage:
    """One message as it was when it was accepted, whatever has become of it since."""

    id: UUID
    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or ""
    country: str
    sender: str
    body: str
    correlation_id: str | None
    encoding: Encoding
    segments: int
    #: minor units of the account's currency; 0 where the quota paid or nobody did
    amount: int
    #: segments of the month's quota it used instead
    quota: int
    #: the carrier chosen first
    carrier: str
    #: what it waits for; None: it went at once
    send_at: datetime | None
    valid_until: datetime
    test: bool
    #: why it was rejected after all, when it came to paying for it
    refusal: Code | None


@value_class
class Answered:
    """The whole answer to one order: the same each time it is asked."""

    request: UUID
    #: one per recipient, in the order's own order; None where that one was refused
    messages: list[AcceptedMessage | None]
    refusals: list[Refusal]
    replayed: bool = False
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Hint:
    """Somebody should look at this batch."""

    batch: UUID
    message_class: MessageClass
    carrier: str
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch about to be written."""

    id: UUID
    account: int
    message_class: MessageClass
    carrier: str
    test: bool
    status: BatchStatus
    due_at: datetime
    valid_until: datetime
    size: int
    first: UUID
    last: UUID
    send_at: datetime | None = None
    attempt: int = 1
    round: int = 0
    tried: Sequence[str] = ()
    #: what its carrier was chosen by; None: a test
    snapshot: int | None = None
    #: its messages are sent already: why they are sent once more
    again: ResendReason | None = None
    #: why it is kept back; None: it is not
    held: HoldReason | None = None
