"""The rule that finds a keyword in what somebody texted: STOP, START, HELP, and an account's own words.

Case, accents, punctuation and blanks are forgiven. The whole text counts ("Stop!", "S T O P", "stop all"); a first word
only where it cannot mean anything else, as in "STOP texting me", and for words that somebody registered: "CANCEL my
table" is not for us. The built-in words are those of carriers and of Twilio, with their like in other languages.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from schema.vocabulary import InboundAction

#: it is said to all of an account's senders, not only to the one that was written to
TO_ALL = frozenset({"STOPALL"})
#: the word whose reply stands for its kin
CHIEF = {InboundAction.STOP: "STOP", InboundAction.START: "START", InboundAction.HELP: "HELP"}

_STOP = (
    "STOP STOPALL STOPP UNSUBSCRIBE UNSUB OPTOUT REVOKE CANCEL END QUIT ARRET ARRETE ARRETER DESABONNER PARAR PARE "
    "SAIR CANCELAR BAJA ALTO ABMELDEN STOPPEN СТОП ОТПИСАТЬСЯ توقف الغاء 停止 退订"
)
_START = "START UNSTOP YES OPTIN SUBSCRIBE ALTA COMENCAR INICIAR СТАРТ"
_HELP = "HELP INFO AIDE AYUDA AJUDA HILFE ПОМОЩЬ"
#: a text that begins so means it, whatever follows
_PLAIN = dict.fromkeys(
    ["STOP", "STOPALL", "STOPP", "UNSUBSCRIBE", "OPTOUT", "ARRET", "DESABONNER", "ABMELDEN", "СТОП"], InboundAction.STOP
)

#: longer texts are letters, not commands
_LONGEST = 160


def spell(text: str) -> str:
    """Return a word as it is compared: capitals and digits only, without accents."""
    # twice: the capital of a ligature, or of ß, is several letters
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).upper())
    return "".join(sign for sign in bare if sign.isalnum())


_BUILT_IN: dict[str, InboundAction] = {
    spell(word): action
    for action, words in ((InboundAction.STOP, _STOP), (InboundAction.START, _START), (InboundAction.HELP, _HELP))
    for word in words.split()
}


@dataclass(frozen=True, slots=True)
class Keyword:
    """One registered word."""

    #: as `spell` returns it
    word: str
    action: InboundAction
    #: what is answered; None: nothing of its own
    reply: str | None
    #: None: for every account
    account: int | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text says."""

    action: InboundAction
    #: as `spell` returns it; "": no keyword
    word: str = ""
    #: what is answered; None: nothing
    reply: str | None = None
    #: it is no built-in word
    is_registered: bool = False

    @property
    def is_to_all(self) -> bool:
        """Whether it is said to all of the account's senders."""
        return self.word in TO_ALL


class Vocabulary:
    """The words of one account: its own, then those for every account, then the built-in ones."""

    def __init__(self, keywords: Iterable[Keyword]) -> None:
        """Take the account's own words and those for every account."""
        self._own: dict[str, Keyword] = {}
        for each in sorted(keywords, key=lambda each: each.account is not None):
            self._own[each.word] = each

    def read(self, text: str) -> Meaning:
        """Return what a text says; KEEP when it holds no keyword."""
        if len(text) > _LONGEST:
            return Meaning(InboundAction.KEEP)
        whole = spell(text)
        first = next(filter(None, map(spell, text.split())), "")
        for word, built_in in ((whole, _BUILT_IN), (first, _PLAIN)):
            if word in self._own:
                return self._meaning(self._own[word].action, word)
            if word in built_in:
                return self._meaning(built_in[word], word)
        return Meaning(InboundAction.KEEP)

    def knows_alone(self, text: str) -> bool:
        """Tell whether a text holds one of the account's own words."""
        words = (spell(text), next(filter(None, map(spell, text.split())), ""))
        return any(word in self._own and self._own[word].account is not None for word in words)

    def _meaning(self, action: InboundAction, word: str) -> Meaning:
        own, chief = self._own.get(word), self._own.get(CHIEF.get(action, ""))
        if own and own.reply is not None:
            return Meaning(action, word, own.reply, is_registered=True)
        reply = chief.reply if chief and chief.action is action else None
        return Meaning(action, word, reply, is_registered=own is not None)
