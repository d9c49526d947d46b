"""The closed set of reasons for which carriers do not take or do not deliver messages."""

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a carrier did not take a message, or did not deliver it: what its codes are translated into."""

    #: the number receives no texts, wherever they come from: malformed, not in use, a landline, a short code
    INVALID_NUMBER = "invalid_number"
    #: the number's contract does not let it through: barred, inactive, without funds
    SUBSCRIBER = "subscriber"
    #: the handset was off, out of reach or full
    ABSENT = "absent"
    #: the recipient does not want it: an opt-out, a do-not-disturb register, a blocklist of the recipient's
    OPTED_OUT = "opted_out"
    #: the text is empty, too long, or of characters that do not travel
    INVALID_TEXT = "invalid_text"
    #: the text was held to be spam, fraud, or against a rule
    FORBIDDEN_TEXT = "forbidden_text"
    #: the message itself was refused, number or text: it is not said which
    MESSAGE_REFUSED = "message_refused"
    #: its time ran out
    EXPIRED = "expired"
    #: this carrier does not let this sender send there: unknown, not registered, not capable
    SENDER_REFUSED = "sender_refused"
    #: our account with this carrier: credentials, suspension, what it is not enabled for
    ACCOUNT = "account"
    #: no credit left with this carrier
    NO_CREDIT = "no_credit"
    #: the request as our settings make it: parameters, callback URL, templates' and entities' ids
    CONFIGURATION = "configuration"
    #: this carrier does not reach that network or country
    NO_ROUTE = "no_route"
    #: more than this carrier takes now, or today
    LIMIT = "limit"
    #: a fault of this carrier's, or of one behind it, before it took the message
    CARRIER_FAULT = "carrier_fault"
    #: refused, and it is not said why
    UNSPECIFIED = "unspecified"
    #: the carrier itself does not know whether it took the message
    IN_DOUBT = "in_doubt"
