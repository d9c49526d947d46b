"""Error codes: why a request, one of its recipients, or a message was refused or failed."""

from enum import StrEnum


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
