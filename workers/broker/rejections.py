"""Why a broker message is set aside as a dead letter."""

import re
from enum import StrEnum

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Reason(StrEnum):
    """What is wrong with a message; the words of `postroad broker dead list` and of the counters."""

    #: more bytes than a message may have, packed or unpacked
    TOO_LARGE = "too_large"
    #: lists and objects nested deeper than any task of ours needs
    TOO_DEEP = "too_deep"
    #: bytes that are no UTF-8, or text that is no JSON
    NOT_JSON = "not_json"
    #: JSON, but not kombu's envelope of body, headers and properties
    NO_ENVELOPE = "no_envelope"
    #: headers that are no object
    HEADERS = "headers"
    #: properties, or the body's transfer encoding, that kombu cannot use
    PROPERTIES = "properties"
    #: a content type or encoding other than JSON in UTF-8
    CONTENT_TYPE = "content_type"
    #: a compression that is unknown, or bytes that are not compressed so
    COMPRESSION = "compression"
    #: a body that is neither `[args, kwargs, embed]` nor an object with `args` and `kwargs`
    BODY = "body"
    #: no name of a task, or two
    NO_TASK = "no_task"
    #: a task that is none of ours
    UNKNOWN_TASK = "unknown_task"
    #: an id that is missing, is no text, is too long, or two ids
    TASK_ID = "task_id"
    #: arguments that the task does not take
    ARGUMENTS = "arguments"
    #: an ETA that is no date, or lies ahead: scheduling is the order's `send_at`
    ETA = "not_now"
    #: an expiry that is no date
    EXPIRES = "expires"
    #: what stands under a queue's name is no list
    NO_LIST = "no_list"
    #: the bookkeeping of messages in work was changed by others
    UNACKED = "unacked"
    #: nothing of the above, and yet it could not be made a task
    UNEXPECTED = "unexpected"


class Malformed(Exception):
    """A broker message outside its good form. Its text is the reason, never content."""

    def __init__(self, reason: Reason, task_id: object = None) -> None:
        """Take the reason, and whatever stands where the task's id should."""
        super().__init__(str(reason))
        self.reason = reason
        self.task_id = uuid_or_none(task_id)


class Expired(Exception):
    """A message that its producer no longer wants carried out."""

    def __init__(self, task_id: str) -> None:
        """Take the task's id, a UUID."""
        super().__init__(task_id)


def uuid_or_none(value: object) -> str | None:
    """Return a value that may be logged as an id: anything else could be a phone number."""
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None
