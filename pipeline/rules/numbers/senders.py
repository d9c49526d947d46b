"""Sender ids: their valid forms, and the choice among an account's approved ones by destination country."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from schema.message import Refusal
from schema.vocabulary import Code, SenderState

#: 3GPP TS 23.040 alphanumeric originator: at most 11 characters; limited to those all carriers accept
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 ._&-]{0,10}")
#: E.164 or a short code
_NUMERIC = re.compile(r"\+?[0-9]{3,15}")


def is_sender(word: str) -> bool:
    """Tell whether the text is a valid sender id: up to 11 letters and digits, a number or a short code."""
    return bool(_ALPHANUMERIC.fullmatch(word) or _NUMERIC.fullmatch(word))


def is_name(sender: str) -> bool:
    """Tell whether a sender id is alphanumeric, which not every carrier supports, not a number or short code."""
    return not _NUMERIC.fullmatch(sender)


def faults(registered: Mapping[str, SenderState], sender: str, *, test: bool) -> Iterator[Refusal]:
    """Yield why an account may not use a sender id; `registered`: its sender ids with their states."""
    if not is_sender(sender):
        words = "a sender is up to 11 letters, digits and blanks, or a number"
        yield Refusal(Code.SENDER_INVALID, words, "sender")
    elif sender not in registered:
        yield Refusal(Code.SENDER_INVALID, f"{sender!r} is not registered on the account", "sender")
    elif (state := registered[sender]) is not SenderState.APPROVED and not (test and state is SenderState.PENDING):
        yield Refusal(Code.SENDER_INVALID, f"{sender!r} is {state}, not approved", "sender")


def choose(wished: Sequence[str], approved: Sequence[tuple[str, Collection[str]]], country: str) -> str | None:
    """Return the first preferred sender that is approved for the country, else the first that is; None: none is.

    `approved`: an account's approved senders, each with its countries; none means all.
    """
    fit = [sender for sender, countries in approved if not countries or country in countries]
    return next((sender for sender in wished if sender in fit), fit[0] if fit else None)
