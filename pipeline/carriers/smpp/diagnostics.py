"""What an operator should know about an SMSC and cannot see otherwise: `postroad carrier status` tells it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class UnreadablePdu(ValueError):
    """What was said cannot be read; holds the reason, a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Diagnostic(StrEnum):
    """Something odd about an SMSC that is put up with."""

    #: a bind_resp under a sequence number that is not the bind's
    BIND_RESP_SEQUENCE = "bind_resp_sequence"
    #: a bind_resp of another kind than the bind
    BIND_RESP_KIND = "bind_resp_kind"
    #: a message that reads like a receipt, without an esm_class that says so
    RECEIPT_AS_TEXT = "receipt_as_text"
    #: a receipt whose state is missing, or a word that nobody knows
    RECEIPT_STATE = "receipt_state"
    #: a handset's number without its country code, and nobody knows where it is at home
    NATIONAL_NUMBER = "national_number"
    #: what we say of ourselves is longer than SMPP 3.4 allows
    LONG_CREDENTIALS = "long_credentials"


#: what each means, for the log and `carrier status`
REMARKS: Final[Mapping[str, str]] = {
    Diagnostic.BIND_RESP_SEQUENCE: "answered a bind under another sequence number; taken as the answer",
    Diagnostic.BIND_RESP_KIND: "answered a bind by the response of another kind of bind; taken as the answer: if"
    " receipts or submits fail, set `mode` to what the SMSC calls it",
    Diagnostic.RECEIPT_AS_TEXT: "sends messages that read like receipts, but do not say that they are; kept as messages"
    " of handsets: set `receipts_by_text` if they are receipts",
    Diagnostic.RECEIPT_STATE: "sends receipts with a state that is not known, which change nothing: set"
    " `receipt_states`",
    Diagnostic.NATIONAL_NUMBER: "writes numbers of handsets without their country code: set `home_country`, or their"
    " STOP stops nobody",
    Diagnostic.LONG_CREDENTIALS: "is told credentials that SMPP 3.4 does not allow",
}

#: what mostly stands behind the code by which a bind failed
HINTS: Final[Mapping[str, str]] = {
    "ESME_RINVPASWD": "the password is not the SMSC's; some cut it after 8 characters",
    "ESME_RINVSYSID": "the SMSC does not know this system_id, or not from this address",
    "ESME_RINVSYSTYP": "set `system_type` to what the SMSC calls it, or leave it out",
    "ESME_RBINDFAIL": "refused without a reason: mostly credentials, our address, or too many binds",
    "ESME_RALYBND": "bound already: the SMSC allows fewer `binds`, or has not noticed yet that an old one is gone",
    "ESME_RINVBNDSTS": "the SMSC does not allow this kind of bind: try another `mode`",
    "ESME_RINVCMDID": "the SMSC does not know this kind of bind: try `mode` `separate`",
    "ESME_RINVCMDLEN": "the SMSC cannot read the bind: mostly a field longer than it takes",
    "ESME_RTHROTTLED": "bound too often: raise `reconnect_pause`",
    "ESME_RSYSERR": "an error of the SMSC, or its word for wrong credentials",
    "bind_timeout": "connected, but the bind is not answered: does the port want TLS, is it the SMSC's?",
    "closed": "the SMSC closes the connection: does it allow our address, and so many binds?",
    "reset": "the SMSC resets the connection: does it allow our address?",
    "unbound": "the SMSC said goodbye",
    "silent": "the SMSC does not answer enquire_link",
    "unreadable": "what answers there does not speak SMPP: is it the port, does it want TLS?",
    "generic_nack": "the SMSC does not understand the bind",
    "not_bound": "not tried yet",
    "connect_timeout": "nobody answers at that address: a firewall, or our address is not allowed",
    "refused": "nobody listens at that port",
    "dns": "the name of the host is not known",
    "tls": "TLS fails: the certificate is not trusted (`ca_file`), or for another name (`tls_name`), or there is none",
    "connect": "there is no way to that address",
}
