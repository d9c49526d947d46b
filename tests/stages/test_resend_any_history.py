"""Whatever happens in whatever order, the invariants hold: senders pay once, and no carrier gets a message twice."""

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch
from uuid import UUID

import hypothesis
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from pipeline.carriers import registry
from pipeline.carriers.contract import CarrierKind
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.receive import keep
from pipeline.stages.resend import query_carrier, resend_due, store_answers
from pipeline.stages.settle import settle, settle_on_arrival
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims
from schema.carriage import Attempt, Receipt
from schema.message import Hint
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.databases import NewDatabase
from tests.stages.scripted import KIND, Line, Scripted, Stage
from tests.world import World

CARRIERS = {"alpha": "blind", "beta": "dedupes", "gamma": "queryable"}
PARTS = {"alpha": 0, "beta": 2, "gamma": 3}


class _History(RuleBasedStateMachine):
    """Messages, their carriers' answers and reports, and all that looks after them, in any order."""

    make: Callable[[], Stage]

    def __init__(self) -> None:
        super().__init__()
        self.stage = self.make()
        self.stage.set(resends=2)
        self.messages: list[UUID] = []
        self.hints: list[Hint] = []
        self.was: dict[UUID, str] = {}

    @initialize(names=st.permutations(list(CARRIERS)))
    def carriers(self, names: list[str]) -> None:
        for name in names:
            self.stage.carrier(name, doubt=CARRIERS[name], window=300).parts = PARTS[name]

    def pick(self, place: int) -> UUID:
        return self.messages[place % len(self.messages)]

    @rule(
        kind=st.sampled_from(["otp", "transactional", "bulk"]),
        count=st.integers(1, 3),
        answers=st.lists(st.sampled_from([Outcome.UNKNOWN] * 3 + list(Outcome)), min_size=1, max_size=3),
        hours=st.sampled_from([0.25, 80]),
    )
    def send(self, kind: str, count: int, answers: list[Outcome], hours: float) -> None:
        for line in self.stage.lines.values():
            line.answers = list(answers)
        people = [f"+23480123456{len(self.messages) + n:02}" for n in range(count)]
        self.messages += self.stage.send(*people, kind=kind, hours=hours)

    @rule(name=st.sampled_from(list(CARRIERS)), answers=st.lists(st.sampled_from(Outcome), max_size=3))
    def answers(self, name: str, answers: list[Outcome]) -> None:
        self.stage.lines[name].answers = answers

    @rule(name=st.sampled_from(list(CARRIERS)), says=st.sampled_from(Outcome))
    def would_say(self, name: str, says: Outcome) -> None:
        self.stage.lines[name].says = says

    @precondition(lambda self: self.messages)
    @rule(
        reported=st.lists(
            st.tuples(
                st.integers(0, 9), st.sampled_from(ReceiptVerdict), st.booleans(), st.booleans(), st.integers(0, 5)
            ),
            min_size=1,
            max_size=6,
        ),
        way=st.sampled_from([settle_on_arrival, keep]),
    )
    def report(self, reported: list[Any], way: Callable[[Runtime, list[Receipt]], int]) -> None:
        reports = []
        for place, verdict, retryable, by_us, lot in reported:
            message = self.pick(place)
            tried = self.stage.world.rows(
                "SELECT carrier FROM provider_attempts WHERE message_id = %(id)s ORDER BY n", id=message
            ) or ["alpha"]
            name = tried[lot % len(tried)]
            part = 1 + lot % PARTS[name] if PARTS[name] and not by_us else None
            reports.append(self.stage.report(message, name, verdict, retryable=retryable, by_us=by_us, part=part))
        way(self.stage.rt, reports)

    @rule()
    def settle(self) -> None:
        settle(self.stage.rt)

    @rule()
    def resend(self) -> None:
        found = resend_due(self.stage.rt)
        self.hints += found.hints
        for name, messages in found.asks.items():
            query_carrier(self.stage.rt, name, messages)

    @rule(seconds=st.sampled_from([3, 21, 301, 601]))
    def turns(self, seconds: float) -> None:
        self.stage.passes(seconds)
        self.resend()
        self.stage.carry(self.hints)
        self.hints = []

    @rule()
    def deliver(self) -> None:
        hinted, self.hints = self.hints[:1], self.hints[1:]
        for hint in hinted:
            self.hints += deliver(self.stage.rt, [hint.batch])

    @rule(has_marked=st.booleans())
    def dies(self, has_marked: bool) -> None:
        hinted, self.hints = self.hints[:1], self.hints[1:]
        with self.stage.rt.begin() as conn:
            for claim in batch_claims.claim(conn, [hint.batch for hint in hinted], 60):
                if has_marked:
                    batch_claims.advance(
                        conn, [batch_claims.PortionMark(claim.span.batch, claim.fence, None, claim.span.last)], 60
                    )

    @precondition(lambda self: self.messages)
    @rule(place=st.integers(0, 9), name=st.sampled_from(list(CARRIERS)), says=st.sampled_from(Outcome))
    def says_too_late(self, place: int, name: str, says: Outcome) -> None:
        message = self.pick(place)
        refs = tuple(f"{name}-{message}-{part}" for part in range(1, PARTS[name] + 1))
        if says is Outcome.ACCEPTED:
            reported = Attempt(message, says, refs[0] if refs else f"{name}-{message}", parts=refs)
        else:
            reported = Attempt(message, says)
        store_answers(self.stage.rt, name, [reported])

    @rule(seconds=st.sampled_from([3, 21, 61, 301, 601, 1300, 80_000]))
    def passes(self, seconds: float) -> None:
        self.stage.passes(seconds)
        self.hints += promote(self.stage.rt)
        self.hints += sweep(self.stage.rt).queued

    @rule(state=st.sampled_from(["active", "suspended"]))
    def account(self, state: str) -> None:
        self.stage.world.run("UPDATE accounts SET state = %(state)s", state=state)

    @rule(name=st.sampled_from(list(CARRIERS)), state=st.sampled_from(["active", "drained", "drained"]))
    def carrier(self, name: str, state: str) -> None:
        self.stage.world.run("UPDATE carriers SET state = %(state)s WHERE name = %(name)s", state=state, name=name)

    @invariant()
    def holds(self) -> None:
        findings = [each for each in audit(self.stage.rt) if each.broken and each.name != "I2"]
        assert findings == []

    @invariant()
    def goes_forward(self) -> None:
        now = dict(self.stage.world.rows("SELECT id, status FROM messages WHERE status IS NOT NULL"))
        for message, status in self.was.items():
            moves = (status, now[message])
            assert now[message] == status or status == "sent" or moves == ("failed", "delivered"), moves
        self.was = now

    def teardown(self) -> None:
        """Let everything come to its end: nobody's money is held for ever, and nothing stays on the road."""
        self.account("active")
        for name in CARRIERS:
            self.carrier(name, "active")
        for line in self.stage.lines.values():
            line.answers = []
        for _ in range(12):
            self.stage.passes(8 * 3600)
            self.hints += promote(self.stage.rt) + sweep(self.stage.rt).queued
            self.resend()
            self.stage.carry(self.hints)
            self.hints = []
            settle(self.stage.rt)
        assert self.stage.world.rows("SELECT count(*) FROM messages WHERE money = 'held' OR status IS NULL") == [0]
        assert self.stage.world.rows("SELECT count(*) FROM batches WHERE status <> 'done'") == [0]
        assert [each for each in audit(self.stage.rt) if each.broken] == []
        self.stage.rt.close()


def test_the_invariants_hold_after_any_sequence_of_events(settings: Settings, new_database: NewDatabase) -> None:
    lines: dict[str, Line] = {}

    def make() -> Stage:
        lines.clear()
        rt = Runtime(settings.model_copy(update={"database_url": SecretStr(new_database())}))
        return Stage(World(rt), lines)

    machine = type("History", (_History,), {"make": staticmethod(make)})
    with patch.dict(registry.KINDS, {KIND: CarrierKind(KIND, partial(Scripted, lines))}):
        run_state_machine_as_test(
            machine,
            settings=hypothesis.settings(
                max_examples=15, stateful_step_count=25, deadline=None, phases=[Phase.generate]
            ),
        )
