"""Closed sets and values of message jobs: an action on all messages that a search finds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class MessageOperation(StrEnum):
    """What a message job does with each of its messages."""

    #: take scheduled messages back
    CANCEL = "cancel"
    #: send those once more whose outcome or receipt is missing
    RESEND = "resend"


class MessageJobState(StrEnum):
    """The state of a message job."""

    #: the clock works it off, portion by portion
    RUNNING = "running"
    #: each of its messages has a result
    DONE = "done"


class MessageJobResult(StrEnum):
    """What became of one message of a job, or why it is left out."""

    #: it is cancelled, its money released
    CANCELLED = "cancelled"
    #: it goes to another carrier
    RESENT = "resent"
    #: its state has changed: it is queued or sent already, has a final status, or is being resent
    TOO_LATE = "too_late"
    #: its status is final already
    FINAL = "final"
    #: no carrier may have it yet
    NOT_SENT = "not_sent"
    #: it is a test message
    TEST = "test"
    #: it is being resent already
    UNDER_WAY = "under_way"
    #: its validity period is over
    EXPIRED = "expired"
    #: its account is suspended, or its campaign stopped
    HELD = "held"
    #: its text is not stored any more
    REDACTED = "redacted"
    #: it was resent as often as `POSTROAD_RESENDS` allows
    RESENT_BEFORE = "resent_before"
    #: no other carrier may take it
    NO_CARRIER = "no_carrier"
    #: it is not stored any more
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class MessageJob:
    """An action on all messages that a search found, and how far it is."""

    id: UUID
    account: str
    operation: MessageOperation
    state: MessageJobState
    #: what was searched: field → value, a number masked
    search: dict[str, str]
    #: messages that the search found and that are no part of it, by reason
    left_out: dict[str, int]
    #: its messages, and those that have a result
    size: int
    done: int
    created_at: datetime
    finished_at: datetime | None
    #: who asked for it
    created_by: str


@dataclass(frozen=True, slots=True)
class MessageJobItem:
    """One message of a job; `phone` and `status` are of now, None when it is not stored any more."""

    place: int
    message: UUID
    #: None: its turn has not come
    result: MessageJobResult | None
    phone: str | None
    status: str | None
