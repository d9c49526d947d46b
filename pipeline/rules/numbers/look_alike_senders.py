"""Sender ids that a reader may take for another one: `PayPa1` for `PAYPAL`, by a table of the characters they may have.

Sender ids are ASCII (`senders.py`), so that this is a small part of Unicode's confusables (UTS #39).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pipeline.rules.numbers.senders import is_name

#: as capitals are spelt like small letters, an I is like an l; digits stand for letters, separators are overlooked
_LETTERS = str.maketrans("0123456789i", "olzeasgtbgl", " ._&-")
#: pairs that look like one letter in a narrow type
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def skeleton(sender: str) -> str:
    """Return what all sender ids that look alike have in common."""
    found = sender.lower().translate(_LETTERS)
    for pair, letter in _PAIRS:
        found = found.replace(pair, letter)
    return found


def look_alikes(own: Iterable[str], others: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """Return those of an account's sender ids that look like others', each with `SENDER of ACCOUNT` for those.

    `others`: (account, sender id). A number looks like none.
    """
    known: defaultdict[str, list[str]] = defaultdict(list)
    for account, sender in others:
        if is_name(sender):
            known[skeleton(sender)].append(f"{sender} of {account}")
    return {each: known[skeleton(each)] for each in own if is_name(each) and skeleton(each) in known}
