"""Message classes: they choose the queue, and what is done when an attempt's outcome is unknown."""

from enum import StrEnum


class MessageClass(StrEnum):
    """The class of a message: its priority, and how an unknown outcome is resolved."""

    #: a one-time code
    OTP = "otp"
    #: about one person's own business: an order confirmation, a reminder
    TRANSACTIONAL = "transactional"
    #: a campaign
    BULK = "bulk"
