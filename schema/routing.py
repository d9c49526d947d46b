"""Enumerations of routing: carriers' capabilities, and why a line of the route table was not used."""

from enum import StrEnum


class Capability(StrEnum):
    """What some carriers can do and others cannot."""

    #: show an alphanumeric sender id
    ALPHANUMERIC = "alphanumeric"
    #: carry texts that GSM 03.38 cannot encode
    UCS2 = "ucs2"
    #: carry messages into India, where senders and texts are registered (DLT)
    DLT = "dlt"


class RouteLoss(StrEnum):
    """Why a message did not take a line of the route table that matches its number."""

    #: its carrier is drained
    DRAINED = "drained"
    #: its carrier had the message before in this round
    TRIED = "tried"
    #: its carrier supports no alphanumeric senders, and this sender is one
    NO_ALPHANUMERIC = "no_alphanumeric"
    #: its carrier supports GSM 03.38 only, and the text needs UCS-2
    NO_UCS2 = "no_ucs2"
    #: its carrier is not registered for India, and the number is there
    NO_DLT = "no_dlt"
    #: another line of the same carrier precedes it
    REPEATED = "repeated"
    #: its carrier's breaker is open: it comes after all healthy ones
    UNHEALTHY = "unwell"
    #: the account has routes of its own, which come first
    COMMON = "common"
    #: another line has a more specific destination
    LESS_SPECIFIC = "less_particular"
    #: another line of the same destination has a lower rank
    HIGHER_RANK = "higher_rank"
    #: its rank is shared by weight, and this recipient falls to another line
    SHARE = "share"
    #: it has no share of its rank (weight 0): it is a fallback for those that have
    SPARE = "spare"
    #: it is a fallback, and another fallback is cheaper
    MORE_EXPENSIVE = "dearer"
