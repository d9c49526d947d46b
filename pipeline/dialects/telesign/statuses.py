"""TeleSign's status codes of messages, from the vendor's list of all status and error codes."""

from schema.vocabulary import Code, Status

#: status code → the vendor's description
WORDS = {
    200: "Delivered to handset",
    203: "Delivered to gateway",
    207: "Error delivering SMS to handset (reason unknown)",
    220: "Gateway/network cannot route message",
    221: "Message expired before delivery",
    229: "Message blocked by customer request",
    230: "Message blocked by Telesign",
    231: "Invalid/unsupported",
    250: "Final status unknown",
    290: "Message in progress",
    500: "Transaction not attempted",
    501: "Not authorized",
    504: "Carrier rejected - permanent error",
    505: "Error on gateway - temporary error",
    506: "Error on gateway - permanent error",
    507: "Invalid destination address",
    508: "Invalid source address",
    510: "Message blocked by subscriber action or request",
    599: "Status not available",
    1900: "Verify completion successfully recorded",
}

#: the status code of each status, unless its cause has one
STATUSES = {
    Status.SCHEDULED: 290,
    Status.QUEUED: 290,
    Status.SENT: 203,
    Status.DELIVERED: 200,
    Status.FAILED: 207,
    Status.REJECTED: 230,
    Status.CANCELLED: 229,
}

#: the status code of each cause of failure or rejection; other codes do not occur on messages
CAUSES = {
    Code.EXPIRED: 221,
    Code.NO_CARRIER_LEFT: 505,
    Code.CARRIER_REFUSED: 504,
    Code.UNDELIVERED: 207,
    Code.UNRESOLVED: 250,
    Code.POISON: 506,
    Code.NO_ROUTE: 220,
    Code.NO_PRICE: 220,
    Code.INSUFFICIENT_FUNDS: 500,
    Code.PHONE_INVALID: 507,
    Code.SENDER_INVALID: 508,
    Code.COUNTRY_FORBIDDEN: 230,
    Code.QUIET_HOURS: 230,
    Code.BODY_TOO_LONG: 231,
    Code.BODY_EMPTY: 231,
    Code.DND_BLOCKED: 510,
    Code.OPTED_OUT: 510,
}


def spell(status: Status, cause: Code | None) -> int:
    """Return the vendor's status code for a message's status and cause of failure."""
    if cause is not None and status in (Status.FAILED, Status.REJECTED):
        return CAUSES.get(cause, STATUSES[status])
    return STATUSES[status]
