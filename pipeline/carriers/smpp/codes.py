"""SMPP 3.4 constants: command ids, command statuses, TLV tags, message states.

The sections are those of the SMPP v3.4 Issue 1.2 specification; statuses from 0x100 on are of version 5.0, and some
SMSCs answer with them in 3.4 too.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

#: set in the command_id of responses
RESPONSE: Final = 0x80000000
#: sequence numbers run from 1 to this and wrap (5.1.4)
SEQUENCE_MAX: Final = 0x7FFFFFFF
#: the interface_version of SMPP 3.4
VERSION: Final = 0x34


class CommandId(IntEnum):
    """command_id of a request (5.1.2.1); its response has `RESPONSE` set."""

    #: response to an invalid PDU
    GENERIC_NACK = 0x80000000
    #: bind to receive only
    BIND_RECEIVER = 0x00000001
    BIND_RECEIVER_RESP = 0x80000001
    #: bind to submit only
    BIND_TRANSMITTER = 0x00000002
    BIND_TRANSMITTER_RESP = 0x80000002
    #: query a message's state
    QUERY_SM = 0x00000003
    QUERY_SM_RESP = 0x80000003
    #: submit a message to the SMSC
    SUBMIT_SM = 0x00000004
    SUBMIT_SM_RESP = 0x80000004
    #: deliver a message or a receipt to the ESME
    DELIVER_SM = 0x00000005
    DELIVER_SM_RESP = 0x80000005
    #: end the session
    UNBIND = 0x00000006
    UNBIND_RESP = 0x80000006
    #: replace a message not yet delivered
    REPLACE_SM = 0x00000007
    REPLACE_SM_RESP = 0x80000007
    #: cancel a message not yet delivered
    CANCEL_SM = 0x00000008
    CANCEL_SM_RESP = 0x80000008
    #: bind to submit and receive
    BIND_TRANSCEIVER = 0x00000009
    BIND_TRANSCEIVER_RESP = 0x80000009
    #: the SMSC asks for a bind
    OUTBIND = 0x0000000B
    #: keep-alive request
    ENQUIRE_LINK = 0x00000015
    ENQUIRE_LINK_RESP = 0x80000015
    #: one message to several recipients
    SUBMIT_MULTI = 0x00000021
    SUBMIT_MULTI_RESP = 0x80000021
    #: a handset is reachable again
    ALERT_NOTIFICATION = 0x00000102
    #: a message in either direction, its text in a TLV
    DATA_SM = 0x00000103
    DATA_SM_RESP = 0x80000103


class CommandStatus(IntEnum):
    """command_status of a response (5.1.3). The specification's names are these with `ESME_` before them."""

    #: no error
    ROK = 0x00
    #: message length is invalid
    RINVMSGLEN = 0x01
    #: command length is invalid
    RINVCMDLEN = 0x02
    #: command id is invalid
    RINVCMDID = 0x03
    #: wrong bind status for this command
    RINVBNDSTS = 0x04
    #: bound already
    RALYBND = 0x05
    #: priority flag is invalid
    RINVPRTFLG = 0x06
    #: registered_delivery is invalid
    RINVREGDLVFLG = 0x07
    #: system error
    RSYSERR = 0x08
    #: source address is invalid
    RINVSRCADR = 0x0A
    #: destination address is invalid
    RINVDSTADR = 0x0B
    #: message id is invalid
    RINVMSGID = 0x0C
    #: bind failed
    RBINDFAIL = 0x0D
    #: password is invalid
    RINVPASWD = 0x0E
    #: system id is invalid
    RINVSYSID = 0x0F
    #: cancel_sm failed
    RCANCELFAIL = 0x11
    #: replace_sm failed
    RREPLACEFAIL = 0x13
    #: the message queue is full
    RMSGQFUL = 0x14
    #: service type is invalid
    RINVSERTYP = 0x15
    #: number of destinations is invalid
    RINVNUMDESTS = 0x33
    #: distribution list name is invalid
    RINVDLNAME = 0x34
    #: destination flag is invalid
    RINVDESTFLAG = 0x40
    #: submit with replace is invalid
    RINVSUBREP = 0x42
    #: esm_class is invalid
    RINVESMCLASS = 0x43
    #: cannot submit to a distribution list
    RCNTSUBDL = 0x44
    #: submit failed
    RSUBMITFAIL = 0x45
    #: source address TON is invalid
    RINVSRCTON = 0x48
    #: source address NPI is invalid
    RINVSRCNPI = 0x49
    #: destination address TON is invalid
    RINVDSTTON = 0x50
    #: destination address NPI is invalid
    RINVDSTNPI = 0x51
    #: system_type is invalid
    RINVSYSTYP = 0x53
    #: replace_if_present is invalid
    RINVREPFLAG = 0x54
    #: number of messages is invalid
    RINVNUMMSGS = 0x55
    #: sent faster than allowed
    RTHROTTLED = 0x58
    #: scheduled delivery time is invalid
    RINVSCHED = 0x61
    #: validity period is invalid
    RINVEXPIRY = 0x62
    #: predefined message is not found
    RINVDFTMSGID = 0x63
    #: transient error of the receiver
    RX_T_APPN = 0x64
    #: permanent error of the receiver
    RX_P_APPN = 0x65
    #: the receiver rejects the message
    RX_R_APPN = 0x66
    #: query_sm failed
    RQUERYFAIL = 0x67
    #: the optional part of the PDU has an error
    RINVOPTPARSTREAM = 0xC0
    #: an optional parameter is not allowed
    ROPTPARNOTALLWD = 0xC1
    #: a parameter's length is invalid
    RINVPARLEN = 0xC2
    #: an optional parameter is missing
    RMISSINGOPTPARAM = 0xC3
    #: an optional parameter's value is invalid
    RINVOPTPARAMVAL = 0xC4
    #: delivery failed (data_sm_resp)
    RDELIVERYFAILURE = 0xFE
    #: unknown error
    RUNKNOWNERR = 0xFF
    #: not authorised to use this service_type
    RSERTYPUNAUTH = 0x100
    #: not allowed to use this operation
    RPROHIBITED = 0x101
    #: service_type is unavailable
    RSERTYPUNAVAIL = 0x102
    #: service_type is denied
    RSERTYPDENIED = 0x103
    #: data_coding is invalid
    RINVDCS = 0x104
    #: source address subunit is invalid
    RINVSRCADDRSUBUNIT = 0x105
    #: destination address subunit is invalid
    RINVDSTADDRSUBUNIT = 0x106


class Tag(IntEnum):
    """The TLV tags that we read or write (5.3.2)."""

    #: further description of a failure
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    #: the message id a receipt is for
    RECEIPTED_MESSAGE_ID = 0x001E
    #: two octets of the sender's choice, returned in the receipt
    USER_MESSAGE_REFERENCE = 0x0204
    #: reference of a concatenated message: two octets
    SAR_MSG_REF_NUM = 0x020C
    #: its number of parts
    SAR_TOTAL_SEGMENTS = 0x020E
    #: number of the part, from 1
    SAR_SEGMENT_SEQNUM = 0x020F
    #: SMPP version of the SMSC
    SC_INTERFACE_VERSION = 0x0210
    #: the network's error: one octet of network type, two of code
    NETWORK_ERROR_CODE = 0x0423
    #: a text of up to 64 KiB, instead of short_message
    MESSAGE_PAYLOAD = 0x0424
    #: why data_sm failed
    DELIVERY_FAILURE_REASON = 0x0425
    #: state of the message: one octet of `MessageState`
    MESSAGE_STATE = 0x0427


class MessageState(IntEnum):
    """message_state (5.2.28); 0 and 9 are of version 5.0."""

    #: scheduled for later
    SCHEDULED = 0
    #: being delivered
    ENROUTE = 1
    #: delivered to the handset
    DELIVERED = 2
    #: its validity period ended
    EXPIRED = 3
    #: deleted at the SMSC
    DELETED = 4
    #: cannot be delivered
    UNDELIVERABLE = 5
    #: read on the subscriber's behalf, for instance by customer service
    ACCEPTED = 6
    #: unknown
    UNKNOWN = 7
    #: rejected
    REJECTED = 8
    #: skipped
    SKIPPED = 9


#: name of each status in the specification
WORDS: Mapping[int, str] = MappingProxyType({status: f"ESME_{status.name}" for status in CommandStatus})


def word(status: int) -> str:
    """Return the specification's name for a status, `ESME_RTHROTTLED`; an unknown one as `0x00000400`."""
    return WORDS.get(status) or f"0x{status & 0xFFFFFFFF:08x}"


def name(command: int) -> str:
    """Return the specification's name for a command id, `submit_sm_resp`; an unknown one as `0x00000400`."""
    try:
        return CommandId(command).name.lower()
    except ValueError:
        return f"0x{command & 0xFFFFFFFF:08x}"
