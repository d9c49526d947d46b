"""All closed sets of words (enumerations) of the product; some are in other modules, named below."""

from enum import StrEnum

from schema.access import ActorKind as ActorKind  # noqa: PLC0414 - also found here
from schema.access import LinkPurpose as LinkPurpose  # noqa: PLC0414
from schema.access import Right as Right  # noqa: PLC0414
from schema.access import Role as Role  # noqa: PLC0414
from schema.counter import Counter as Counter  # noqa: PLC0414
from schema.error_codes import Code as Code  # noqa: PLC0414 - also found here
from schema.message_job import MessageJobResult as MessageJobResult  # noqa: PLC0414
from schema.message_job import MessageJobState as MessageJobState  # noqa: PLC0414
from schema.message_job import MessageOperation as MessageOperation  # noqa: PLC0414


class Status(StrEnum):
    """The public status of a message."""

    #: waits for its send time
    SCHEDULED = "scheduled"
    #: waits to be submitted to a carrier
    QUEUED = "queued"
    #: a carrier accepted it, or may have (its last attempt is then `unknown`)
    SENT = "sent"
    #: delivered to the handset
    DELIVERED = "delivered"
    #: no carrier accepted it in time, or the carrier could not deliver it
    FAILED = "failed"
    #: refused by us before any carrier got it
    REJECTED = "rejected"
    #: cancelled by its sender before its send time
    CANCELLED = "cancelled"


class BatchStatus(StrEnum):
    """The state of a batch."""

    #: inserted, not yet measured and charged
    ADMITTED = "admitted"
    #: charged, waits for its send time
    SCHEDULED = "scheduled"
    #: may be claimed by a deliver worker
    QUEUED = "queued"
    #: claimed: a worker holds its lease
    SENDING = "sending"
    #: every route was throttled or down; waits for another round
    WAITING = "waiting"
    #: nothing left to do
    DONE = "done"


class HoldReason(StrEnum):
    """Why a batch is held though nothing failed. It goes on when the reason is gone, or expires."""

    #: its account is suspended
    ACCOUNT = "account"
    #: no carrier on its route may be given messages: each is drained or misconfigured
    CARRIER = "carrier"
    #: its campaign is paused or aborted
    CAMPAIGN = "campaign"


class CampaignState(StrEnum):
    """The state of a campaign."""

    #: being defined; its rows are being loaded
    DRAFT = "draft"
    #: its rows are being checked and priced
    CHECKING = "checking"
    #: it cannot be sent as it is: `reason` says why
    FAILED = "failed"
    #: checked and priced, to be approved
    QUOTED = "quoted"
    #: its quote is too old, or what it was made of has changed: to be checked again
    STALE = "stale"
    #: approved, to be started
    APPROVED = "approved"
    #: started, waits for its send time
    SCHEDULED = "scheduled"
    #: its rows become messages, and these are sent
    RUNNING = "running"
    #: nothing of it is submitted to carriers until it is resumed
    PAUSED = "paused"
    #: each row is sent or skipped, and no message is waiting
    FINISHED = "finished"
    #: ended by an operator: what was not sent is cancelled
    ABORTED = "aborted"
    #: its validity ended before all rows were sent
    EXPIRED = "expired"


class DuplicatePolicy(StrEnum):
    """What is done with a row of a campaign whose number an earlier row has."""

    #: it is skipped
    DROP = "drop"
    #: it is sent too
    KEEP = "keep"
    #: the campaign fails its check
    REFUSE = "refuse"


class RowVerdict(StrEnum):
    """Why a campaign's row is not sent, besides the codes of refused recipients (`Code`)."""

    #: the line of the file could not be read
    MALFORMED = "malformed"
    #: an earlier row has its number
    DUPLICATE = "duplicate"
    #: its number is in an audience that is left out
    EXCLUDED = "excluded"
    #: the account sent a message to its number shortly before
    RECENTLY_MESSAGED = "recently_messaged"


class RowOutcome(StrEnum):
    """What became of a campaign's row."""

    #: not a message yet
    PENDING = "pending"
    #: it became a message
    SENT = "sent"
    #: it is not sent, for the reason in its verdict
    SKIPPED = "skipped"
    #: the campaign was aborted before it became a message
    FENCED = "fenced"
    #: the campaign expired before it became a message
    EXPIRED = "expired"


class Encoding(StrEnum):
    """The character encoding of a body."""

    #: GSM 03.38 septets
    GSM7 = "GSM7"
    #: UTF-16 code units
    UCS2 = "UCS2"


class Outcome(StrEnum):
    """The outcome of one attempt at one carrier."""

    #: the carrier accepted it and returned its message id
    ACCEPTED = "accepted"
    #: the carrier will never accept it
    REFUSED_PERMANENT = "refused_permanent"
    #: the carrier does not accept it now
    REFUSED_TRANSIENT = "refused_transient"
    #: no byte of it was sent
    NOT_WRITTEN = "not_written"
    #: it may have been accepted: no response, or an unreadable one
    UNKNOWN = "unknown"


class UnknownAbility(StrEnum):
    """What a carrier offers for resolving an attempt whose outcome is unknown."""

    #: nothing: what happens after a wait depends on the message's class
    BLIND = "blind"
    #: it deduplicates by our reference: the same message may be submitted again
    DEDUPES = "dedupes"
    #: it can be queried by our reference
    QUERYABLE = "queryable"


class ResendReason(StrEnum):
    """Why messages that a carrier has, or may have, are submitted once more. Their senders pay once."""

    #: unknown whether the carrier accepted them: the same one gets them again, as it deduplicates
    REPEAT = "repeat"
    #: unknown whether the carrier before accepted them
    DOUBT = "doubt"
    #: the carrier before accepted them and never sent a receipt
    SILENCE = "silence"
    #: the carrier before accepted them and could not deliver them
    UNDELIVERED = "undelivered"


class ReceiptVerdict(StrEnum):
    """What a delivery receipt says."""

    DELIVERED = "delivered"
    FAILED = "failed"
    #: not final; changes nothing
    PENDING = "pending"


class ReceiptState(StrEnum):
    """The state of a stored receipt."""

    #: not processed yet, or its attempt is not known yet
    WAITING = "waiting"
    #: it changed its message's status
    APPLIED = "applied"
    #: its message already had a later status, or it says nothing new
    IGNORED = "ignored"
    #: no attempt was ever found for it
    ORPHANED = "orphaned"


class Money(StrEnum):
    """What became of the money (or quota) of one message."""

    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"


class LedgerEntry(StrEnum):
    """Why money or quota moved in the ledger."""

    #: money came in
    TOPUP = "topup"
    #: a month's quota was granted
    GRANT = "grant"
    #: set aside for a campaign as a whole
    RESERVE = "reserve"
    #: set aside for a batch
    HOLD = "hold"
    #: earned: a carrier took the message
    CAPTURE = "capture"
    #: given back
    RELEASE = "release"


class Book(StrEnum):
    """The accounts of the double-entry ledger, per customer and unit."""

    #: outside the system
    OUTSIDE = "outside"
    #: what the customer may spend
    WALLET = "wallet"
    #: what is set aside for campaigns, and for no batch yet
    RESERVED = "reserved"
    #: what is set aside for batches
    HELD = "held"
    #: what we earned
    EARNED = "earned"


class AccountState(StrEnum):
    """Whether an account may send."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class SenderState(StrEnum):
    """Whether a sender id may be used."""

    #: may be used in test mode only
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class Syntax(StrEnum):
    """The syntax of a template's merge fields."""

    #: `${name}`
    MERGE = "merge"
    #: `{{.name}}`, as Go's text/template does
    GO = "go"


class EndpointState(StrEnum):
    """Whether a customer's webhook endpoint is called."""

    ACTIVE = "active"
    #: it failed for too long; its deliveries wait until an operator or its owner resumes it
    SUSPENDED = "suspended"


class DeliveryState(StrEnum):
    """The state of one webhook delivery."""

    #: to be made, or retried
    WAITING = "waiting"
    #: the endpoint answered 2xx
    DELIVERED = "delivered"
    #: given up; may be replayed
    DEAD = "dead"


class ChallengeState(StrEnum):
    """The state of a one-time code."""

    OPEN = "open"
    #: the right code was given
    VERIFIED = "verified"
    #: it expired, or too many wrong codes were given
    FAILED = "failed"


class NumberMove(StrEnum):
    """How a person's number changed."""

    #: assigned, not yet verified
    CREATED = "number_created"
    #: removed
    DELETED = "number_deleted"


class InboundEventType(StrEnum):
    """What a webhook says of an inbound message."""

    #: it was received, and its keyword applied
    RECEIVED = "inbound_received"


class CampaignEventType(StrEnum):
    """What a webhook says of a campaign: the state that it came into."""

    #: checked and priced
    QUOTED = "campaign_quoted"
    #: its check found that it cannot be sent
    FAILED = "campaign_failed"
    #: what its quote was made of has changed
    STALE = "campaign_stale"
    #: started, or resumed
    RUNNING = "campaign_running"
    #: by a person, a gate, or for want of money
    PAUSED = "campaign_paused"
    #: each row is sent or skipped
    FINISHED = "campaign_finished"
    ABORTED = "campaign_aborted"
    EXPIRED = "campaign_expired"


class PauseCause(StrEnum):
    """What paused a campaign."""

    #: a person or a program, by command line or API
    PERSON = "person"
    #: one of its gates
    GATES = "gate"
    #: wallet and quota do not cover the next portion
    INSUFFICIENT_FUNDS = "insufficient_funds"
    #: the next portion would cost more than was approved
    QUOTE_EXCEEDED = "quote_exceeded"
    #: its orders would be refused as a whole; the reason is the code
    REFUSED = "refused"


class CarrierState(StrEnum):
    """Whether a carrier is given messages."""

    ACTIVE = "active"
    #: gets no new messages; its waiting batches take the next route, its receipts are still accepted
    DRAINED = "drained"


class Placement(StrEnum):
    """Which process submits a carrier's messages."""

    #: any deliver worker
    SHARED = "shared"
    #: a process of its own, so that it delays no other carrier; one-time codes go by the otp workers
    OWN = "own"
    #: a process of its own that stays connected, for one-time codes too
    BOUND = "bound"


class InboundAction(StrEnum):
    """What is done with an inbound message."""

    #: opt-out
    STOP = "stop"
    #: opt-in
    START = "start"
    #: send the help text
    HELP = "help"
    #: stored for its account
    KEEP = "keep"


class QuietAction(StrEnum):
    """What is done with a message in its recipient's quiet hours."""

    #: it waits until they end
    DEFER = "defer"
    #: it is rejected
    REJECT = "reject"


class DeadLetterSource(StrEnum):
    """Where unreadable input came in."""

    #: a broker message that is none of our tasks
    BROKER = "broker"
    #: an HTTP request from a carrier: receipts, inbound messages
    RECEIPT = "receipt"
    #: a deliver_sm or data_sm from an SMSC
    SMPP = "smpp"
