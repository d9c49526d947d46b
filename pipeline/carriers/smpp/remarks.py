"""What an operator should know about an SMSC and cannot see otherwise: `postroad carrier status` tells it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Unreadable(ValueError):
    """What was said cannot be read; holds the reason, a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Remark(StrEnum):
    """Something odd about an SMSC that is put up with."""

    #: a bind_resp under a sequence number that is not the bind's
    BIND_RESP_SEQUENCE = "bind_resp_sequence"
    #: a bind_resp of another kind than the bind
    BIND_RESP_KIND = "bind_resp_kind"
    #: a message that reads like a receipt, without an esm_class that says so
    RECEIPT_AS_TEXT = "receipt_as_text"
    #: a receipt whose state is missing, or a word that nobody knows
    RECEIPT_STATE = "receipt_state"


#: what each means, for the log and `carrier status`
REMARKS: Final[Mapping[Remark, str]] = {
    Remark.BIND_RESP_SEQUENCE: "answered a bind under another sequence number; taken as the answer",
    Remark.BIND_RESP_KIND: "answered a bind by the response of another kind of bind; taken as the answer: if receipts"
    " or submits fail, set `mode` to what the SMSC calls it",
    Remark.RECEIPT_AS_TEXT: "sends messages that read like receipts, but do not say that they are; kept as messages of"
    " handsets: set `receipts_by_text` if they are receipts",
    Remark.RECEIPT_STATE: "sends receipts with a state that is not known, which change nothing: set `receipt_states`",
}
