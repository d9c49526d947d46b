"""The classes of messages: which queue one waits in, and what may be done when its fate is unknown."""

from enum import StrEnum


class MessageClass(StrEnum):
    """What kind of message it is: decides its lane and what may be done in doubt."""

    #: a code somebody waits for
    OTP = "otp"
    #: one person's own business: a receipt, a reminder
    TRANSACTIONAL = "transactional"
    #: a campaign
    BULK = "bulk"
