"""Every closed set of words in the house, once. Those of choosing a carrier are in `routing`."""

from enum import StrEnum


class Status(StrEnum):
    """What the public is told of a message."""

    #: waits for its minute
    SCHEDULED = "scheduled"
    #: on its way to a carrier
    QUEUED = "queued"
    #: a carrier has it, or may have it (its last attempt is then `unknown`)
    SENT = "sent"
    #: the handset has it
    DELIVERED = "delivered"
    #: no carrier took it in time, or the carrier could not deliver it
    FAILED = "failed"
    #: refused by us before any carrier heard of it
    REJECTED = "rejected"
    #: taken back by its sender before its minute
    CANCELLED = "cancelled"


class BatchStatus(StrEnum):
    """Where a batch stands on the road."""

    #: written, not yet measured and paid for
    ADMITTED = "admitted"
    #: paid for, waits for the minute its sender asked for
    SCHEDULED = "scheduled"
    #: may be claimed by a deliver worker
    QUEUED = "queued"
    #: claimed: a worker holds its lease
    SENDING = "sending"
    #: every route was busy or away; waits for another round
    WAITING = "waiting"
    #: nothing left to do
    DONE = "done"


class HoldReason(StrEnum):
    """Why a batch is kept back that has not failed. It goes on when the reason is gone, or expires."""

    #: its account is suspended
    ACCOUNT = "account"
    #: no carrier on its route may be given messages: each is drained, or wrongly set up
    CARRIER = "carrier"


class Encoding(StrEnum):
    """How a body travels."""

    #: GSM 03.38 septets
    GSM7 = "GSM7"
    #: UTF-16 code units
    UCS2 = "UCS2"


class Outcome(StrEnum):
    """What became of one attempt at one carrier."""

    #: the carrier took it and gave its reference
    ACCEPTED = "accepted"
    #: the carrier will never take it
    REFUSED_PERMANENT = "refused_permanent"
    #: the carrier will not take it now
    REFUSED_TRANSIENT = "refused_transient"
    #: not one byte of it left us
    NOT_WRITTEN = "not_written"
    #: it may have been taken: no answer, or one we cannot read
    UNKNOWN = "unknown"


class UnknownAbility(StrEnum):
    """What can be done about an attempt that was left unknown: what its carrier is able to do."""

    #: nothing but waiting: what happens then hangs on the message's class
    BLIND = "blind"
    #: it takes the same reference once: the same message may be sent again
    DEDUPES = "dedupes"
    #: it can be asked what became of our reference
    QUERYABLE = "queryable"


class ResendReason(StrEnum):
    """Why messages that a carrier has, or may have, are given to one once more. Their senders pay once."""

    #: nobody knows whether the carrier took them: the same one gets them again, which knows our references
    REPEAT = "repeat"
    #: nobody knows whether the carrier before took them
    DOUBT = "doubt"
    #: the carrier before took them and never said what became of them
    SILENCE = "silence"
    #: the carrier before took them and could not deliver them
    UNDELIVERED = "undelivered"


class ReceiptVerdict(StrEnum):
    """What a carrier's receipt says."""

    DELIVERED = "delivered"
    FAILED = "failed"
    #: still on its way; changes nothing
    PENDING = "pending"


class ReceiptState(StrEnum):
    """What we did with a receipt."""

    #: not looked at yet, or its attempt is not known yet
    WAITING = "waiting"
    #: it moved its message
    APPLIED = "applied"
    #: its message was past it already, or it says nothing new
    IGNORED = "ignored"
    #: no attempt was ever found for it
    ORPHANED = "orphaned"


class Money(StrEnum):
    """What became of the money (or quota) of one message."""

    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"


class LedgerEntry(StrEnum):
    """Why the ledger moved."""

    #: money came in
    TOPUP = "topup"
    #: a month's quota was granted
    GRANT = "grant"
    #: set aside for a batch
    HOLD = "hold"
    #: earned: a carrier took the message
    CAPTURE = "capture"
    #: given back
    RELEASE = "release"


class Book(StrEnum):
    """The accounts of the double-entry ledger, per customer and unit."""

    #: the world outside
    OUTSIDE = "outside"
    #: what the customer may spend
    WALLET = "wallet"
    #: what is set aside
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


class Dialect(StrEnum):
    """Whose API a front door speaks."""

    SOLARIS = "solaris"
    ROBASE = "robase"
    TELESIGN = "telesign"
    WEBEX = "webex"


class Syntax(StrEnum):
    """How a template spells its merge fields."""

    #: `${name}`
    MERGE = "merge"
    #: `{{.name}}`, as Go's text/template does
    GO = "go"


class EndpointState(StrEnum):
    """Whether a customer's webhook is called."""

    ACTIVE = "active"
    #: it failed for too long; its deliveries wait until somebody resumes it
    SUSPENDED = "suspended"


class DeliveryState(StrEnum):
    """Where one call of a customer's webhook stands."""

    #: to be made, or made again
    WAITING = "waiting"
    #: answered as it should be
    DELIVERED = "delivered"
    #: given up; may be replayed
    DEAD = "dead"


class ChallengeState(StrEnum):
    """What became of a code that somebody was sent."""

    OPEN = "open"
    #: the right code was given
    VERIFIED = "verified"
    #: the right code did not come in time, or too many wrong ones came
    FAILED = "failed"


class NumberMove(StrEnum):
    """What became of a person's number."""

    #: it is his from now on, not yet proven
    CREATED = "number_created"
    #: it was taken away
    DELETED = "number_deleted"


class CarrierState(StrEnum):
    """Whether a carrier is given messages."""

    ACTIVE = "active"
    #: takes no new work; its waiting batches go to the next route, its receipts are still taken
    DRAINED = "drained"


class Placement(StrEnum):
    """Which process gives a carrier its messages."""

    #: any deliver worker
    SHARED = "shared"
    #: a process of its own, so that it keeps nobody else waiting; codes go by the lane
    OWN = "own"
    #: a process of its own that stays connected: codes too
    BOUND = "bound"


class InboundAction(StrEnum):
    """What is done with a message from a handset."""

    #: its writer wants no more
    STOP = "stop"
    #: he wants them again
    START = "start"
    #: he asks who writes
    HELP = "help"
    #: kept for its account
    KEEP = "keep"


class QuietAction(StrEnum):
    """What becomes of a message in its recipient's quiet hours."""

    #: it waits until they are over
    DEFER = "defer"
    #: it is rejected
    REJECT = "reject"


class Code(StrEnum):
    """Why a request, or one of its recipients, or a message on its way, was refused."""

    #: a required field is missing
    MISSING_FIELD = "missing_field"
    #: a field has the wrong type or form
    INVALID_FIELD = "invalid_field"
    #: the request is not JSON
    BAD_JSON = "bad_json"
    #: no such account
    ACCOUNT_UNKNOWN = "account_unknown"
    #: the account may not send
    ACCOUNT_SUSPENDED = "account_suspended"
    #: the rendered body is longer than 1,600 characters
    BODY_TOO_LONG = "body_too_long"
    #: the rendered body is empty
    BODY_EMPTY = "body_empty"
    #: not a phone number
    PHONE_INVALID = "phone_invalid"
    #: the sender id is not registered, not approved, or malformed
    SENDER_INVALID = "sender_invalid"
    #: no such template
    TEMPLATE_UNKNOWN = "template_unknown"
    #: the text names a merge field that nobody filled
    MERGE_FIELD_MISSING = "merge_field_missing"
    #: send_at has passed
    SCHEDULE_PAST = "schedule_past"
    #: send_at is further ahead than allowed
    SCHEDULE_FAR = "schedule_far"
    #: valid_until is not after the sending time
    VALIDITY_BAD = "validity_bad"
    #: more recipients than one order may have
    TOO_MANY = "too_many"
    #: no carrier serves this destination
    NO_ROUTE = "no_route"
    #: no price is set for this destination
    NO_PRICE = "no_price"
    #: wallet and quota are exhausted
    INSUFFICIENT_FUNDS = "insufficient_funds"
    #: valid_until passed before a carrier had it
    EXPIRED = "expired"
    #: every carrier on its route refused it or was away
    NO_CARRIER_LEFT = "no_carrier_left"
    #: the carrier refused it for good
    CARRIER_REFUSED = "carrier_refused"
    #: the carrier took it and could not deliver it
    UNDELIVERED = "undelivered"
    #: the account may not send to this country
    COUNTRY_FORBIDDEN = "country_forbidden"
    #: it is night where the recipient is
    QUIET_HOURS = "quiet_hours"
    #: nobody ever said what became of it
    UNRESOLVED = "unresolved"
    #: its batch kept killing workers
    POISON = "poison"
    #: another order has its idempotency key or request id
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    # -- said at a front door, before anything is written
    #: no key, or none that fits
    UNAUTHENTICATED = "unauthenticated"
    #: the key may not do this
    FORBIDDEN = "forbidden"
    #: the key may not be used from this address
    SOURCE_FORBIDDEN = "source_forbidden"
    #: there is no such thing, or it is another account's
    NOT_FOUND = "not_found"
    #: the path knows other methods only
    METHOD_UNKNOWN = "method_unknown"
    #: more bytes than a request may have
    TOO_LARGE = "too_large"
    #: not of the content type this API reads
    MEDIA_UNKNOWN = "media_unknown"
    #: its body is compressed, which no API here reads
    ENCODING_UNKNOWN = "encoding_unknown"
    #: it cannot be read as an HTTP request
    MALFORMED = "malformed"
    #: its request target (URL) is too long
    TARGET_TOO_LONG = "target_too_long"
    #: a header field is too long, or there are too many
    HEADERS_TOO_LARGE = "headers_too_large"
    #: the thing is not in a state for this
    CONFLICT = "conflict"
    #: no such person
    PERSON_UNKNOWN = "person_unknown"
    #: the person's number was never verified
    PHONE_UNVERIFIED = "phone_unverified"
    #: this key calls too often
    RATE_KEY = "rate_key"
    #: this number is sent too much
    RATE_RECIPIENT = "rate_recipient"
    #: this number has had all the codes it gets
    HARD_CAP = "hard_cap"
    #: the number wants no messages of this kind
    DND_BLOCKED = "dnd_blocked"
    #: the number opted out of this sender's messages
    OPTED_OUT = "opted_out"
    #: something we need is away; try again
    UNAVAILABLE = "unavailable"
    #: our own fault
    INTERNAL = "internal"


class DeadLetterSource(StrEnum):
    """Through which entrance came what could not be read."""

    #: a broker message that is no task of ours
    BROKER = "broker"
    #: an HTTP request of a carrier: receipts, messages from handsets
    RECEIPT = "receipt"
    #: a deliver_sm or data_sm of an SMSC
    SMPP = "smpp"
