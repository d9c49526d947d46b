"""Keyword detection in inbound messages: STOP, START, HELP, and an account's own keywords.

Case, accents, punctuation, spaces, invisible characters and signatures are ignored. The whole text is compared
("Stop!", "S T O P", "stop all"); its beginning only where that is unambiguous, as in "STOP texting me", and for
registered keywords: "CANCEL my table" is no opt-out. What is addressed to a person ("stop by tomorrow")
is a literal list; any other text that begins with STOP is an opt-out. The words: `builtin_keywords.py`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.rules.consent.builtin_keywords import (
    ANSWERS,
    BUILT_IN,
    EXCEPTIONS,
    EXCEPTIONS_FROM_EXCEPTIONS,
    OPENINGS,
    SIGNATURES,
    spelt,
)
from pipeline.rules.text.word_matching import spell, words
from schema.value_class import value_class
from schema.vocabulary import InboundAction

__all__ = ["Keyword", "KeywordMeaning", "Vocabulary", "spell"]

#: applies to all of an account's senders, not only to the MO's recipient
TO_ALL = frozenset({"STOPALL", "UNSUBSCRIBEALL"})
#: the keyword whose reply is used for all of its action
CHIEF = {InboundAction.STOP: "STOP", InboundAction.START: "START", InboundAction.HELP: "HELP"}

#: longer texts are no commands; of those only the first characters are examined
_LONGEST, _OPENING = 160, 320
#: maximum words of a keyword at the beginning of a text
_MOST_WORDS = 3
_OPENINGS, _EXCEPTIONS, _SERIOUS = spelt(OPENINGS), spelt(EXCEPTIONS), spelt(EXCEPTIONS_FROM_EXCEPTIONS)
_ANSWERS, _SIGNATURES = spelt(ANSWERS), tuple(spelt(SIGNATURES))
#: with the recipient appended: STOP36180, stop2end
_RUN_ON = re.compile(r"STOP[0-9]\w*")
#: a STOP whose sentence goes on: no full stop, comma or line break follows
_GOES_ON = re.compile(r"\W*\w+[^\S\n]+\w", re.UNICODE)
_RULE = re.compile(r"\s*(?:--|__|[>|])")


@dataclass(frozen=True, slots=True)
class Keyword:
    """One registered keyword."""

    #: as `spell` returns it
    word: str
    action: InboundAction
    #: reply text; None: none of its own
    reply: str | None
    #: None: for every account
    account: int | None = None


@value_class
class KeywordMeaning:
    """The meaning of an inbound text."""

    action: InboundAction
    #: the keyword as `spell` returns it; "": none
    word: str = ""
    #: reply text; None: none
    reply: str | None = None
    #: it is a registered keyword, not a built-in one
    is_registered: bool = False

    @property
    def is_answer(self) -> bool:
        """Whether it is a START word that also answers other questions: it counts only while an opt-out is in force."""
        return self.action is InboundAction.START and not self.is_registered and self.word in _ANSWERS

    @property
    def is_to_all(self) -> bool:
        """Whether it applies to all of the account's senders."""
        return self.word in TO_ALL


class Vocabulary:
    """The keywords of one account: its own, then those for every account, then the built-in ones."""

    def __init__(self, keywords: Iterable[Keyword]) -> None:
        """Index the account's own keywords and those for every account."""
        self._own: dict[str, Keyword] = {}
        for each in sorted(keywords, key=lambda each: each.account is not None):
            self._own[spell(each.word)] = each

    def read(self, text: str) -> KeywordMeaning:
        """Return the meaning of a text; KEEP when it has no keyword."""
        body, paragraph = _unsigned(text)
        whole = spell(body) if len(body) <= _LONGEST else ""
        if whole in self._own:
            return self._meaning(self._own[whole].action, whole)
        if whole in BUILT_IN:
            return self._meaning(BUILT_IN[whole], whole)
        first, opening = _begins(text)
        if first in self._own and len(text) <= _LONGEST:
            return self._meaning(self._own[first].action, first)
        if opening:
            return self._meaning(InboundAction.STOP, opening)
        alone = spell(paragraph) if len(paragraph) <= _LONGEST else ""
        if BUILT_IN.get(alone) is InboundAction.STOP and alone not in self._own:
            return self._meaning(InboundAction.STOP, alone)
        return KeywordMeaning(InboundAction.KEEP)

    def has_own_keyword(self, text: str) -> bool:
        """Tell whether a text has one of the account's own keywords."""
        body, _ = _unsigned(text[:_OPENING])
        return any(
            word in self._own and self._own[word].account is not None for word in (spell(body), _begins(text)[0])
        )

    def _meaning(self, action: InboundAction, word: str) -> KeywordMeaning:
        own, chief = self._own.get(word), self._own.get(CHIEF.get(action, ""))
        if own and own.reply is not None:
            return KeywordMeaning(action, word, own.reply, is_registered=True)
        reply = chief.reply if chief and chief.action is action else None
        return KeywordMeaning(action, word, reply, is_registered=own is not None)


def _begins(text: str) -> tuple[str, str]:
    """Return a text's first word, and the STOP word that it begins with, "" for none."""
    head = text[:_OPENING]
    found = words(head)
    first = found[0] if found else ""
    phrases = ["".join(found[:count]) for count in range(min(len(found), _MOST_WORDS), 0, -1)]
    if _RUN_ON.fullmatch(first):
        return first, "STOP"
    is_kept = len(found) > 1 and found[0] + found[1] in _EXCEPTIONS and not _SERIOUS.intersection(phrases)
    if is_kept and _GOES_ON.match(head):
        return first, ""
    return first, next((phrase for phrase in phrases if phrase in _OPENINGS), "")


def _unsigned(text: str) -> tuple[str, str]:
    """Return a text without the signature (or quoted message) below it, and the first paragraph of that."""
    lines = text.strip().splitlines()
    for place, line in enumerate(lines):
        if place and (_RULE.match(line) or spell(line[:40]).startswith(_SIGNATURES)):
            lines = lines[:place]
            break
    blank = next((place for place, line in enumerate(lines) if not line.strip()), len(lines))
    return "\n".join(lines), "\n".join(lines[:blank])
