"""Keywords in what somebody texted."""

import pytest

from pipeline.rules.keywords import Keyword, Meaning, Vocabulary, spell
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
    "STOP " * 100: KEEP,
}


@pytest.mark.parametrize(("text", "action"), TEXTS.items(), ids=map(repr, TEXTS))
def test_a_text_is_understood(text: str, action: InboundAction) -> None:
    assert Vocabulary([]).read(text).action is action


def test_stopall_is_said_to_all_senders() -> None:
    assert Vocabulary([]).read("stop all").is_to_all
    assert Vocabulary([Keyword("STOP", STOP, "Bye.")]).read("stop all") == Meaning(STOP, "STOPALL", "Bye.")
    assert not Vocabulary([]).read("stop").is_to_all


def test_an_accounts_own_words_go_first_and_count_as_a_first_word() -> None:
    words = Vocabulary(
        [
            Keyword(spell("café"), HELP, "common", account=None),
            Keyword(spell("café"), START, "ours", account=7),
            Keyword("STOP", KEEP, None, account=7),
        ]
    )

    assert words.read("CAFE please") == Meaning(START, "CAFE", "ours", is_registered=True)
    assert words.read("stop") == Meaning(KEEP, "STOP", None, is_registered=True)
    assert words.read("quit").action is STOP
    assert words.knows_alone("café now")
    assert not words.knows_alone("quit")
    assert not Vocabulary([Keyword("CAFE", HELP, None)]).knows_alone("café")


def test_the_chief_words_reply_stands_for_its_kin() -> None:
    words = Vocabulary([Keyword("STOP", STOP, "You are out."), Keyword("BYE", STOP, "Bye.", account=7)])

    assert words.read("unsubscribe").reply == "You are out."
    assert words.read("bye").reply == "Bye."
    assert words.read("help").reply is None
