"""What became of a message, in an SMSC's numbers and words, and what each means."""

from pipeline.carriers.smpp.codes import MessageState
from schema.vocabulary import Verdict

#: what message_state says
STATES = {
    MessageState.SCHEDULED: Verdict.PENDING,
    MessageState.ENROUTE: Verdict.PENDING,
    MessageState.DELIVERED: Verdict.DELIVERED,
    MessageState.EXPIRED: Verdict.FAILED,
    MessageState.DELETED: Verdict.FAILED,
    MessageState.UNDELIVERABLE: Verdict.FAILED,
    MessageState.ACCEPTED: Verdict.PENDING,
    MessageState.UNKNOWN: Verdict.PENDING,
    MessageState.REJECTED: Verdict.FAILED,
    MessageState.SKIPPED: Verdict.FAILED,
}
#: what message_state is called in a text
NAMES = {
    MessageState.SCHEDULED: "SCHEDLD",
    MessageState.ENROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
    MessageState.SKIPPED: "SKIPPED",
}
#: the other words for it that SMSCs use
SYNONYMS = {
    "SCHEDULED": MessageState.SCHEDULED,
    "BUFFER": MessageState.ENROUTE,
    "BUFFRED": MessageState.ENROUTE,
    "BUFFERD": MessageState.ENROUTE,
    "BUFFERED": MessageState.ENROUTE,
    "INTRANSIT": MessageState.ENROUTE,
    "PENDING": MessageState.ENROUTE,
    "QUEUED": MessageState.ENROUTE,
    "SENT": MessageState.ENROUTE,
    "SUBMITTED": MessageState.ENROUTE,
    "DELIVERED": MessageState.DELIVERED,
    "DELIVERD": MessageState.DELIVERED,
    "DELIVRED": MessageState.DELIVERED,
    "DELIVERY": MessageState.DELIVERED,
    "DELIVERYSUCCESS": MessageState.DELIVERED,
    "DLVRD": MessageState.DELIVERED,
    "DELIVERDTOHANDSET": MessageState.DELIVERED,
    "DELIVEREDTOHANDSET": MessageState.DELIVERED,
    "READ": MessageState.DELIVERED,
    "EXPIRD": MessageState.EXPIRED,
    "EXPIRY": MessageState.EXPIRED,
    "CANCELED": MessageState.DELETED,
    "CANCELLED": MessageState.DELETED,
    "DELETD": MessageState.DELETED,
    "FAIL": MessageState.UNDELIVERABLE,
    "FAILED": MessageState.UNDELIVERABLE,
    "DELIVERYFAILED": MessageState.UNDELIVERABLE,
    "NOTDELIVERED": MessageState.UNDELIVERABLE,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "UNDELIVERED": MessageState.UNDELIVERABLE,
    "UNDELIVERD": MessageState.UNDELIVERABLE,
    "UNDELIVRD": MessageState.UNDELIVERABLE,
    "UNDELVRD": MessageState.UNDELIVERABLE,
    "UNDELVD": MessageState.UNDELIVERABLE,
    "UNDLVRD": MessageState.UNDELIVERABLE,
    "ACCEPT": MessageState.ACCEPTED,
    "ACCEPTED": MessageState.ACCEPTED,
    "REJECT": MessageState.REJECTED,
    "REJECTED": MessageState.REJECTED,
    "UNKNWN": MessageState.UNKNOWN,
    "SKIPED": MessageState.SKIPPED,
}
#: message_state by its word in a text
WORDS = {name: state for state, name in NAMES.items()} | SYNONYMS
