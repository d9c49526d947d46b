"""Diagnostics of an SMSC's deviations from SMPP 3.4, and hints for failed binds, shown by `postroad carrier status`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class UnreadablePdu(ValueError):
    """A PDU cannot be parsed; holds the reason, a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Diagnostic(StrEnum):
    """A deviation of an SMSC that is tolerated."""

    #: a bind_resp with a sequence number other than the bind's
    BIND_RESP_SEQUENCE = "bind_resp_sequence"
    #: a bind_resp of another kind than the bind
    BIND_RESP_KIND = "bind_resp_kind"
    #: a message that reads like a receipt, without a receipt's esm_class
    RECEIPT_AS_TEXT = "receipt_as_text"
    #: a receipt whose state is missing or unknown
    RECEIPT_STATE = "receipt_state"
    #: a handset's number without its country code, and no `home_country` is set
    NATIONAL_NUMBER = "national_number"
    #: a credential longer than SMPP 3.4 allows
    LONG_CREDENTIALS = "long_credentials"


#: description of each, for the log and `carrier status`
REMARKS: Final[Mapping[str, str]] = {
    Diagnostic.BIND_RESP_SEQUENCE: "answered a bind with another sequence number; accepted as its response",
    Diagnostic.BIND_RESP_KIND: "answered a bind with the response of another kind of bind; accepted: if"
    " receipts or submits fail, set `mode` to the kind that the SMSC expects",
    Diagnostic.RECEIPT_AS_TEXT: "sends messages that read like receipts without a receipt's esm_class; stored as MO"
    " messages: set `receipts_by_text` if they are receipts",
    Diagnostic.RECEIPT_STATE: "sends receipts with an unknown state, which change nothing: set `receipt_states`",
    Diagnostic.NATIONAL_NUMBER: "sends numbers of handsets without their country code: set `home_country`, or opt-outs"
    " are not recognised",
    Diagnostic.LONG_CREDENTIALS: "gets credentials that are longer than SMPP 3.4 allows",
}

#: probable cause of each code of a failed bind
HINTS: Final[Mapping[str, str]] = {
    "ESME_RINVPASWD": "wrong password; some SMSCs truncate it to 8 characters",
    "ESME_RINVSYSID": "unknown system_id, or our address is not allowed for it",
    "ESME_RINVSYSTYP": "set `system_type` to the value the SMSC expects, or leave it out",
    "ESME_RBINDFAIL": "refused without a reason: mostly credentials, our address, or too many binds",
    "ESME_RALYBND": "already bound: the SMSC allows fewer `binds`, or has not closed an old one yet",
    "ESME_RINVBNDSTS": "the SMSC does not allow this kind of bind: try another `mode`",
    "ESME_RINVCMDID": "the SMSC does not support this kind of bind: try `mode` `separate`",
    "ESME_RINVCMDLEN": "the SMSC cannot parse the bind: mostly a field longer than it accepts",
    "ESME_RTHROTTLED": "bound too often: raise `reconnect_pause`",
    "ESME_RSYSERR": "an error of the SMSC, or its code for wrong credentials",
    "bind_timeout": "connected, but the bind is not answered: does the port expect TLS, is it the SMSC's?",
    "closed": "the SMSC closes the connection: does it allow our address and this number of binds?",
    "reset": "the SMSC resets the connection: does it allow our address?",
    "unbound": "the SMSC unbound the session",
    "silent": "the SMSC does not answer enquire_link",
    "unreadable": "the server does not speak SMPP: wrong port, or does it expect TLS?",
    "generic_nack": "the SMSC does not understand the bind",
    "not_bound": "not tried yet",
    "connect_timeout": "no answer at that address: a firewall, or our address is not allowed",
    "refused": "connection refused: nothing listens at that port",
    "dns": "the host name does not resolve",
    "tls": "TLS fails: the certificate is not trusted (`ca_file`), or for another name (`tls_name`), or there is none",
    "connect": "no route to that address",
}
