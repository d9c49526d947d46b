"""What an operator should know about an SMSC and cannot see otherwise: `postroad carrier status` tells it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Remark(StrEnum):
    """Something odd about an SMSC that is put up with."""

    #: a bind_resp under a sequence number that is not the bind's
    BIND_RESP_SEQUENCE = "bind_resp_sequence"
    #: a bind_resp of another kind than the bind
    BIND_RESP_KIND = "bind_resp_kind"


#: what each means, for the log and `carrier status`
REMARKS: Final[Mapping[Remark, str]] = {
    Remark.BIND_RESP_SEQUENCE: "answered a bind under another sequence number; taken as the answer",
    Remark.BIND_RESP_KIND: "answered a bind by the response of another kind of bind; taken as the answer: if receipts"
    " or submits fail, set `mode` to what the SMSC calls it",
}
