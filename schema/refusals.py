"""RefusalReason: normalised reasons for which carriers refuse or fail messages."""

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a carrier refused a message or did not deliver it: what its own codes are mapped to."""

    #: the number can receive no SMS: malformed, not in use, a landline, a short code
    INVALID_NUMBER = "invalid_number"
    #: the subscriber's contract does not allow it: barred, inactive, without funds
    SUBSCRIBER = "subscriber"
    #: the handset was off, out of coverage or its memory full
    ABSENT = "absent"
    #: the recipient does not want it: opt-out, do-not-disturb register, blocklist of the recipient's
    OPTED_OUT = "opted_out"
    #: the text is empty, too long, or has characters that cannot be sent
    INVALID_TEXT = "invalid_text"
    #: the text was classed as spam, fraud, or against a rule
    FORBIDDEN_TEXT = "forbidden_text"
    #: the message itself was refused, number or text: the carrier does not say which
    MESSAGE_REFUSED = "message_refused"
    #: its validity period ended
    EXPIRED = "expired"
    #: this carrier does not let this sender send there: unknown, not registered, not supported
    SENDER_REFUSED = "sender_refused"
    #: our account with this carrier: credentials, suspension, features not enabled
    ACCOUNT = "account"
    #: no credit left with this carrier
    NO_CREDIT = "no_credit"
    #: the request as our settings make it: parameters, callback URL, ids of templates and entities
    CONFIGURATION = "configuration"
    #: this carrier does not reach that network or country
    NO_ROUTE = "no_route"
    #: throttled, or a daily limit is reached
    LIMIT = "limit"
    #: an error of this carrier, or of one behind it, before it accepted the message
    CARRIER_FAULT = "carrier_fault"
    #: refused without a reason
    UNSPECIFIED = "unspecified"
    #: the carrier itself does not know whether it accepted the message
    IN_DOUBT = "in_doubt"
