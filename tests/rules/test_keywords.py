"""Keyword detection in inbound messages."""

import pytest

from pipeline.rules.consent import builtin_keywords
from pipeline.rules.consent.stop_keyword_detection import Keyword, KeywordMeaning, Vocabulary, spell
from schema.vocabulary import InboundAction

STOP, START, HELP, KEEP = InboundAction.STOP, InboundAction.START, InboundAction.HELP, InboundAction.KEEP

TEXTS = {
    "STOP": STOP,
    "stop": STOP,
    " Stop! ": STOP,
    "S T O P": STOP,
    "“Stop.”": STOP,
    "STOP ALL": STOP,
    "Stop-All": STOP,
    "unsubscribe": STOP,
    "Arrêt": STOP,
    "ARRÊTER": STOP,
    "parar": STOP,
    "ＳＴＯＰ": STOP,
    "стоп": STOP,
    "\u0405\u0422\u041e\u0420": STOP,
    "إلغاء": STOP,
    "退订": STOP,
    "opt-out": STOP,
    "end": STOP,
    "Stop texting me please": STOP,
    "STOP\nSent from my phone": STOP,
    "start": START,
    "UNSTOP": START,
    "yes": START,
    "help": HELP,
    "Info?": HELP,
    "Ajuda": HELP,
    "End of the month is fine": KEEP,
    "Cancel my table for two": KEEP,
    "Yes, I will come": KEEP,
    "help me with my order": KEEP,
    "please stop": KEEP,
    "unstoppable": KEEP,
    "stopped": KEEP,
    "": KEEP,
    "  ?! ": KEEP,
    "👍": KEEP,
    "STOP " * 100: STOP,
    "Opt out": STOP,
    "OPT-OUT please": STOP,
    "REMOVE": STOP,
    "Remove me": STOP,
    "td": STOP,
    "إيقاف": STOP,
    "إيـــقاف": STOP,
    "إيقاف من فضلك": STOP,
    "הסר": STOP,
    "\u200fהסר\u200f": STOP,
    "\ufeffSTOP": STOP,
    "S\u200bT\u200dO\u2060P": STOP,
    "\u202aSTOP\u202c": STOP,
    "STOP\u00a0please": STOP,
    "«Stop»": STOP,
    "'stop'": STOP,
    "🛑 stop 🛑": STOP,
    "Stop,please": STOP,
    "STOP/CANCEL": STOP,
    "Stop🙏thanks": STOP,
    "s.t.o.p. now": STOP,
    "s t o p it": STOP,
    "𝗦𝗧𝗢𝗣": STOP,
    "SТОР": STOP,
    "STOP36180": STOP,
    "STOP au 36180": STOP,
    "Stop by": KEEP,
    "Stop by tomorrow": KEEP,
    "stop at the corner": KEEP,
    "Stop in for tea": KEEP,
    "stop for lunch?": KEEP,
    "Stop at once": STOP,
    "stop for good": STOP,
    "Stop, for heaven's sake": STOP,
    "Stop. In the name of the law": STOP,
    "STOP\nby John": STOP,
    "stop messaging me at home": STOP,
    "Stop the texts": STOP,
    "CANCEL\n-- \nJane Doe": STOP,
    "END\nSent from my iPhone": STOP,
    "quit\nEnvoyé de mon iPhone": STOP,
    "Unsubscribe\n> Our new shop is open. Reply STOP": STOP,
    "REVOKE\n\nJane Doe": STOP,
    "Yes\n\nI will come": KEEP,
    "Yes\nSent from my iPhone": START,
    "STOP texting me, " + "I never asked for this. " * 40: STOP,
    "Dear all, " + "STOP " * 60: KEEP,
    "opt in": START,
    "Removed from the list?": KEEP,
}


@pytest.mark.parametrize(("text", "action"), TEXTS.items(), ids=map(repr, TEXTS))
def test_an_mo_text_has_the_action_of_its_keyword(text: str, action: InboundAction) -> None:
    assert Vocabulary([]).read(text).action is action


def test_stop_all_applies_to_all_senders() -> None:
    assert Vocabulary([]).read("stop all").is_to_all
    assert Vocabulary([Keyword("STOP", STOP, "Bye.")]).read("stop all") == KeywordMeaning(STOP, "STOPALL", "Bye.")
    assert not Vocabulary([]).read("stop").is_to_all


def test_an_account_s_own_keywords_take_precedence_and_match_as_the_first_word() -> None:
    words = Vocabulary(
        [
            Keyword(spell("café"), HELP, "common", account=None),
            Keyword(spell("café"), START, "ours", account=7),
            Keyword("STOP", KEEP, None, account=7),
        ]
    )

    assert words.read("CAFE please") == KeywordMeaning(START, "CAFE", "ours", is_registered=True)
    assert words.read("stop") == KeywordMeaning(KEEP, "STOP", None, is_registered=True)
    assert words.read("quit").action is STOP
    assert words.has_own_keyword("café now")
    assert not words.has_own_keyword("quit")
    assert not Vocabulary([Keyword("CAFE", HELP, None)]).has_own_keyword("café")


def test_a_built_in_synonym_has_the_reply_of_its_main_keyword() -> None:
    words = Vocabulary([Keyword("STOP", STOP, "You are out."), Keyword("BYE", STOP, "Bye.", account=7)])

    assert words.read("unsubscribe").reply == "You are out."
    assert words.read("bye").reply == "Bye."
    assert words.read("help").reply is None


def test_yes_is_treated_as_an_answer_unless_it_is_an_account_s_own_keyword() -> None:
    assert Vocabulary([]).read("yes").is_answer
    assert not Vocabulary([]).read("start").is_answer
    assert not Vocabulary([Keyword("YES", START, None, account=7)]).read("yes").is_answer


def test_every_built_in_stop_keyword_is_recognised() -> None:
    for words in builtin_keywords.STOP.values():
        for word in words.split(","):
            assert Vocabulary([]).read(word.lower()).action is STOP, word
