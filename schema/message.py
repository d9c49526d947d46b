"""Values of accepted orders: drafts, refusals, measures, charges, batches, and the response to an order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schema.message_class import MessageClass
from schema.value_class import value_class
from schema.vocabulary import BatchStatus, Code, Encoding, HoldReason, ResendReason


@value_class
class Refusal:
    """Why an order or a recipient was refused, for its sender. Holds no number and no text."""

    code: Code
    message: str
    #: path of the invalid field in the order: `recipients[3].to`
    field: str | None = None
    #: which recipient; None: the whole order
    index: int | None = None


@value_class
class Draft:
    """One message ready to be inserted: number validated, text rendered, carrier chosen."""

    #: index among the order's recipients; its id is the admission's first id plus this
    index: int
    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or "" where the calling code is shared
    country: str
    body: str
    carrier: str
    correlation_id: str | None
    #: end of the recipient's quiet hours; None: not deferred
    due_at: datetime | None = None


@value_class
class Measure:
    """The encoding of a body and its number of segments."""

    encoding: Encoding
    segments: int


@value_class
class Charge:
    """Measured segments and cost of one message."""

    measure: Measure
    amount: int
    quota: int
    #: None: it was charged
    refusal: Code | None


@value_class
class Admission:
    """The decision on one order: drafts to insert, and refusals."""

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
    #: the API it came through; None: an Order from Celery or the CLI
    door: str | None = None
    #: whether it came through a vendor's API, which answers for a key that is used as its vendor does
    by_api: bool = False
    #: SHA-256 of the order's content, to tell a replay from another order under the same key
    fingerprint: bytes | None = None
    #: routing snapshot that the drafts' carriers were chosen by; None: a test
    snapshot: int | None = None
    #: the account declares that its own opt-outs do not apply
    skips_opt_outs: bool = False
    #: the campaign that its recipients are rows of
    campaign: UUID | None = None
    #: id of the template that its text is of, and that text's version; None: it has a text of its own
    template: tuple[UUID, int] | None = None

    @property
    def dialect(self) -> str | None:
        """Return the vendor's API that it came through; None: it came through none."""
        return self.door.partition(".")[0] if self.by_api and self.door else None

    @property
    def operation(self) -> str | None:
        """Return the operation of that API, where it has several; of another order what its producer calls `door`."""
        if not (self.by_api and self.door):
            return self.door
        words = self.door.split(".")[1:]
        return ".".join(words[1:] if words[:1] == ["test"] else words) or None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The response to one order: the same at each replay of its request id or idempotency key."""

    request: UUID
    #: one id per recipient, in the order's own order; None where it was refused
    messages: list[UUID | None]
    refusals: list[Refusal]
    #: batches still to be measured and charged; empty on a replay
    batches: list[UUID]
    #: this is the stored response to an earlier order with this request id or idempotency key
    replayed: bool = False
    #: the replayed order differs from the first one
    altered: bool = False


@value_class
class AcceptedMessage:
    """One message as it was accepted, whatever its state is now."""

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
    #: minor units of the account's currency; 0 where the quota paid or nothing was charged
    amount: int
    #: segments of the month's quota used instead
    quota: int
    #: the carrier chosen first
    carrier: str
    #: when it is to be sent; None: at once
    send_at: datetime | None
    valid_until: datetime
    test: bool
    #: why it was rejected at billing
    refusal: Code | None


@value_class
class Answered:
    """The complete response to one order: the same at each replay."""

    request: UUID
    #: one per recipient, in the order's own order; None where it was refused
    messages: list[AcceptedMessage | None]
    refusals: list[Refusal]
    replayed: bool = False
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Hint:
    """A task message that names a batch ready for its next stage."""

    batch: UUID
    message_class: MessageClass
    carrier: str
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch to be inserted."""

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
    #: routing snapshot that its carrier was chosen by; None: a test
    snapshot: int | None = None
    #: its messages are sent already: why they are sent again
    resend_reason: ResendReason | None = None
    #: why it is held; None: it is not
    held: HoldReason | None = None
    #: the campaign of its messages
    campaign: UUID | None = None
