"""The reasons why a broker message is rejected as a dead letter."""

import re
from enum import StrEnum

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Reason(StrEnum):
    """Why a message is rejected; the values shown by `postroad broker dead list` and the counters."""

    #: larger than a message may be, compressed or decompressed
    TOO_LARGE = "too_large"
    #: lists and objects nested deeper than any of our tasks needs
    TOO_DEEP = "too_deep"
    #: not UTF-8, or not JSON
    NOT_JSON = "not_json"
    #: JSON, but not kombu's envelope of body, headers and properties
    NO_ENVELOPE = "no_envelope"
    #: headers that are not an object
    HEADERS = "headers"
    #: properties, or the body's transfer encoding, that kombu cannot use
    PROPERTIES = "properties"
    #: a content type or encoding other than JSON in UTF-8
    CONTENT_TYPE = "content_type"
    #: an unknown compression, or bytes that are not in its format
    COMPRESSION = "compression"
    #: a body that is neither `[args, kwargs, embed]` nor an object with `args` and `kwargs`
    BODY = "body"
    #: no task name, or two
    NO_TASK = "no_task"
    #: an unknown task
    UNKNOWN_TASK = "unknown_task"
    #: an id that is missing, not a string or too long, or two ids
    TASK_ID = "task_id"
    #: arguments that the task does not accept
    ARGUMENTS = "arguments"
    #: an ETA that is not a date, or in the future: an order is scheduled by its `send_at`
    ETA = "not_now"
    #: an expiry that is not a date
    EXPIRES = "expires"
    #: the key of a queue holds another type than a list
    NO_LIST = "no_list"
    #: the record of unacknowledged messages was changed by another client
    UNACKED = "unacked"
    #: any other error while turning it into a task
    UNEXPECTED = "unexpected"


class Malformed(Exception):
    """A broker message that is not valid. The exception's text is the reason, never content."""

    def __init__(self, reason: Reason, task_id: object = None) -> None:
        """Take the reason, and the value in the place of the task's id."""
        super().__init__(str(reason))
        self.reason = reason
        self.task_id = uuid_or_none(task_id)


class Expired(Exception):
    """A message whose `expires` has passed."""

    def __init__(self, task_id: str) -> None:
        """Take the task's id, a UUID."""
        super().__init__(task_id)


def uuid_or_none(value: object) -> str | None:
    """Return the value if it is a UUID, which may be logged: anything else could be a phone number."""
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None
