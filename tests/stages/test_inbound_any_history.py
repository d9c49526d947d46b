"""Whatever a handset sends in whatever order and spelling, its latest keyword applies, and STOP wins a tie."""

import itertools
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from pipeline.carriers.smpp import addresses
from pipeline.carriers.vendors import posted_receipts
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import inbound
from schema.carriage import Inbound
from tests.databases import NewDatabase
from tests.world import World
from workers.lab.embedded import development

NUMBER = "+447700900100"
_mobiles, _keys = itertools.count(10_000), itertools.count()

#: how a Mexican handset's eight last digits come to us: by SMPP's type of number, or posted over HTTP
SPELLINGS: Sequence[Callable[[str], str]] = (
    lambda digits: addresses.phone(1, f"5255{digits}"),
    lambda digits: addresses.phone(1, f"52155{digits}"),
    lambda digits: addresses.phone(0, f"005255{digits}"),
    lambda digits: addresses.phone(0, f"+52155{digits}"),
    lambda digits: addresses.phone(2, f"55{digits}", "MX"),
    lambda digits: addresses.phone(2, f"155{digits}", "MX"),
    lambda digits: posted_receipts.number(f"5255{digits}", "from", {}),
    lambda digits: posted_receipts.number(f"+52155{digits}", "from", {}),
    lambda digits: posted_receipts.number(f"55{digits}", "from", {"home_country": "mx"}),
)
#: how senders spell it
OUTBOUND: Sequence[Callable[[str], str]] = (lambda digits: f"+5255{digits}", lambda digits: f"+52 55 {digits}")
STOPS = ("STOP", "stop!", "Opt out", "ＳＴＯＰ", "remove", "Stop, please", "إيقاف")
STARTS = ("START", "start.", "UNSTOP", "Opt in")
TEXTS = ("hello", "stop by tomorrow", "help", "When do you open?")


@dataclass(frozen=True)
class Said:
    """One text: its words, the number's spelling, how many seconds the handset's clock is from now, if it has one."""

    words: str
    spelling: int
    clock: int | None

    @property
    def action(self) -> str:
        return "stop" if self.words in STOPS else "start" if self.words in STARTS else "keep"


said = st.builds(
    Said,
    st.sampled_from([*STOPS, *STARTS, *TEXTS]),
    st.integers(0, len(SPELLINGS) - 1),
    # few moments, so that some are the same; ahead of arrival, and longer ago than is believed
    st.one_of(st.none(), st.sampled_from([-1, -2, -60, -3600, -71 * 3600, -73 * 3600, 3600])),
)
#: pieces: what comes at once; after each the stage may look, or not
histories = st.lists(st.tuples(st.lists(said, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=6)


def outcome(rows: Sequence[tuple[str, datetime | None, datetime]]) -> bool:
    """Tell, by the simplest of models, whether who said this wants nothing any more."""
    latest: dict[str, datetime] = {}
    for action, at, received in rows:
        moment = at if at and received - timedelta(hours=72) <= at <= received else received
        latest[action] = max(moment, latest.get(action, moment))
    return "stop" in latest and ("start" not in latest or latest["stop"] >= latest["start"])


def tell(world: World, digits: str, pieces: Sequence[tuple[Sequence[Said], bool]]) -> dict[str, str]:
    """Let the handset say it, the stage look now and then; return what each key's words ask for."""
    asked: dict[str, str] = {}
    now = world.rt.now().replace(microsecond=0)
    for piece, looks in pieces:
        messages = []
        for each in piece:
            at = None if each.clock is None else now + timedelta(seconds=each.clock)
            asked[key := f"k{next(_keys)}"] = each.action
            messages.append(Inbound("alpha", key, SPELLINGS[each.spelling](digits), NUMBER, each.words, at))
        assert inbound.keep(world.rt, messages) == len(messages)
        assert inbound.keep(world.rt, [replace(messages[0], body="again")]) == 0
        if looks:
            inbound.replied(world.rt, [id_ for id_, _ in inbound.reply(world.rt)])
    inbound.replied(world.rt, [id_ for id_, _ in inbound.reply(world.rt)])
    return asked


def test_the_keyword_that_a_handset_sent_last_applies_in_any_history(
    new_database: NewDatabase, pair: development.EmbeddedServers, tmp_path: Path
) -> None:
    settings = Settings(database_url=new_database(), broker_url=pair.broker_url, home=tmp_path)
    with closing(Runtime(settings)) as rt:
        world = World(rt)
        world.run("INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, %(n)s)", id=world.account, n=NUMBER)

        @hypothesis.settings(max_examples=60, deadline=None)
        @hypothesis.example([([Said("STOP", 0, -60), Said("START", 1, -60)], True)])
        @hypothesis.example([([Said("START", 0, -60)], True), ([Said("STOP", 1, -60)], True)])
        @hypothesis.example([([Said("START", 0, -60)], True), ([Said("STOP", 1, -3600)], True)])
        @hypothesis.example([([Said("STOP", 2, -60)], True), ([Said("START", 3, -3600)], True)])
        @hypothesis.example([([Said("STOP", 4, None), Said("START", 5, None), Said("STOP", 6, None)], False)])
        @hypothesis.given(histories)
        def holds(pieces: Sequence[tuple[Sequence[Said], bool]]) -> None:
            digits = f"123{next(_mobiles)}"
            asked = tell(world, digits, pieces)

            mine = "SELECT key, at, received_at FROM inbound_messages WHERE phone = %(p)s"
            rows = world.rows(mine, p=f"+5255{digits}")
            assert {row[0] for row in rows} == asked.keys()
            expected = outcome([(asked[key], at, received) for key, at, received in rows])
            answers = world.submit(*(world.order(spell(digits), sender=NUMBER) for spell in OUTBOUND))
            assert [[each.code for each in answer.refusals] == ["opted_out"] for answer in answers] == [expected] * 2

        holds()
