"""All closed sets of words (enumerations) of the product. Those of routing are in `routing`."""

from enum import StrEnum


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


class ActorKind(StrEnum):
    """Who makes a change of configuration or control."""

    #: a user of the operating system, at the command line
    OS_USER = "os_user"
    #: an API key
    API_KEY = "api_key"
    #: the product itself
    SYSTEM = "system"
    #: a database user outside the product
    DATABASE = "database"


class LedgerEntry(StrEnum):
    """Why money or quota moved in the ledger."""

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

    #: outside the system
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


class Code(StrEnum):
    """Why a request, one of its recipients, or a message was refused or failed."""

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
    #: the text has a merge field without a value
    MERGE_FIELD_MISSING = "merge_field_missing"
    #: send_at has passed
    SCHEDULE_PAST = "schedule_past"
    #: send_at is further ahead than allowed
    SCHEDULE_FAR = "schedule_far"
    #: valid_until is not after the send time
    VALIDITY_BAD = "validity_bad"
    #: more recipients than one order may have
    TOO_MANY = "too_many"
    #: no carrier serves this destination
    NO_ROUTE = "no_route"
    #: no price is set for this destination
    NO_PRICE = "no_price"
    #: wallet and quota are exhausted
    INSUFFICIENT_FUNDS = "insufficient_funds"
    #: valid_until passed before a carrier accepted it
    EXPIRED = "expired"
    #: every carrier on its route refused it or was down
    NO_CARRIER_LEFT = "no_carrier_left"
    #: the carrier refused it permanently
    CARRIER_REFUSED = "carrier_refused"
    #: the carrier accepted it and could not deliver it
    UNDELIVERED = "undelivered"
    #: the account may not send to this country
    COUNTRY_FORBIDDEN = "country_forbidden"
    #: it is within the recipient's quiet hours
    QUIET_HOURS = "quiet_hours"
    #: its outcome was never known
    UNRESOLVED = "unresolved"
    #: its batch repeatedly killed workers
    POISON = "poison"
    #: another order has its idempotency key or request id
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    # -- answered by an API, before anything is stored
    #: no valid credentials
    UNAUTHENTICATED = "unauthenticated"
    #: the key lacks the scope
    FORBIDDEN = "forbidden"
    #: the key may not be used from this address
    SOURCE_FORBIDDEN = "source_forbidden"
    #: it does not exist, or belongs to another account
    NOT_FOUND = "not_found"
    #: the path does not support the method
    METHOD_UNKNOWN = "method_unknown"
    #: the body exceeds the size limit
    TOO_LARGE = "too_large"
    #: not a content type this API accepts
    MEDIA_UNKNOWN = "media_unknown"
    #: the body is compressed, which no API here supports
    ENCODING_UNKNOWN = "encoding_unknown"
    #: it cannot be parsed as an HTTP request
    MALFORMED = "malformed"
    #: its request target (URL) is too long
    TARGET_TOO_LONG = "target_too_long"
    #: a header field is too long, or there are too many
    HEADERS_TOO_LARGE = "headers_too_large"
    #: the resource's state does not allow it
    CONFLICT = "conflict"
    #: no such person
    PERSON_UNKNOWN = "person_unknown"
    #: the person's number was never verified
    PHONE_UNVERIFIED = "phone_unverified"
    #: rate limit of the key
    RATE_KEY = "rate_key"
    #: rate limit of the recipient's number
    RATE_RECIPIENT = "rate_recipient"
    #: the number has had the maximum of one-time codes
    HARD_CAP = "hard_cap"
    #: the number is on a do-not-disturb list for this kind of message
    DND_BLOCKED = "dnd_blocked"
    #: the number opted out of this sender's messages
    OPTED_OUT = "opted_out"
    #: a dependency is down; retry
    UNAVAILABLE = "unavailable"
    #: internal error
    INTERNAL = "internal"


class DeadLetterSource(StrEnum):
    """Where unreadable input came in."""

    #: a broker message that is none of our tasks
    BROKER = "broker"
    #: an HTTP request from a carrier: receipts, inbound messages
    RECEIPT = "receipt"
    #: a deliver_sm or data_sm from an SMSC
    SMPP = "smpp"
