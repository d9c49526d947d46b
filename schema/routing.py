"""The closed sets of words that choices of carriers are told in."""

from enum import StrEnum


class Capability(StrEnum):
    """What not every carrier can do."""

    #: show a name as the sender
    ALPHANUMERIC = "alphanumeric"
    #: carry texts that GSM 03.38 cannot spell
    UCS2 = "ucs2"
    #: carry messages into India, where senders and texts are registered (DLT)
    DLT = "dlt"


class RouteLoss(StrEnum):
    """Why a message did not go by a line of the route table that speaks of its number."""

    #: its carrier takes no new work
    DRAINED = "drained"
    #: its carrier had the message before in this round
    TRIED = "tried"
    #: its carrier shows no names as senders, and this sender is one
    NO_ALPHANUMERIC = "no_alphanumeric"
    #: its carrier knows GSM 03.38 only, and the text needs more
    NO_UCS2 = "no_ucs2"
    #: its carrier is not registered for India, and the number is there
    NO_DLT = "no_dlt"
    #: another line of the same carrier goes before it
    REPEATED = "repeated"
    #: its carrier's breaker is open: it comes after all that are well
    UNHEALTHY = "unwell"
    #: the account has routes of its own, which go first
    COMMON = "common"
    #: another line speaks of the number more particularly
    LESS_PARTICULAR = "less_particular"
    #: another line of the same destination has a lower rank
    HIGHER_RANK = "higher_rank"
    #: its rank is shared by weight, and this recipient belongs to another's share
    SHARE = "share"
    #: it has no share of its rank (weight 0): it stands by behind those that have
    SPARE = "spare"
    #: it stands by, and another that does is cheaper
    DEARER = "dearer"
