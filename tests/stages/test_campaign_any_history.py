"""Whatever happens to a campaign, in whatever order: each of its rows has one end, and its sums and money are exact."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any

import hypothesis
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr

from pipeline.dialects.registry import capacities
from pipeline.errors import Conflict
from pipeline.rules.money.quotes import Quote, Tally
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.admit import admit
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.advance import advance
from pipeline.stages.campaigns.expand import next_portion, write
from pipeline.stages.campaigns.gates import keep_gates
from pipeline.stages.campaigns.results import result_rows
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.sweep import sweep
from pipeline.store.consent import opt_outs
from pipeline.store.consent.opt_outs import OptOut
from schema.message import Hint
from schema.vocabulary import CampaignState
from tests.databases import NewDatabase
from tests.stages.launched import Died, Launched, dying_before_commit, numbers
from tests.world import World
from workers.campaign_wiring import abort, expand_portion

ROWS = 14


class _CampaignHistory(RuleBasedStateMachine):
    """A campaign, its operators, its workers, and what goes wrong with them."""

    make: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make()
        self.rt = self.world.rt
        self.hints: list[Hint] = []
        #: rows that have an end
        self.ended: dict[int, Any] = {}

    @initialize(
        canary=st.sampled_from([None, 3]),
        failed=st.sampled_from([None, 0.5]),
        cost=st.sampled_from([None, 3600]),
        reserve=st.booleans(),
    )
    def launch(self, canary: int | None, failed: float | None, cost: int | None, reserve: bool) -> None:
        self.world.add_carrier("broken", {"refuse:21": 1}, route="33")
        phones = [*numbers(ROWS // 2), *numbers(ROWS // 2, "+336")]
        gates = {"failed": failed, "min_sample": 2}
        quote = Quote(total=Tally(ROWS, ROWS, ROWS * 400)).to_json()
        limits: dict[str, Any] = {"canary": canary, "canary_soak": 0, "gates": gates, "max_cost": cost}
        limits |= {"reserve": reserve, "quote": quote}
        self.campaign = Launched(self.world, phones, CampaignState.APPROVED, **limits)
        control.start(self.rt, self.campaign.id)

    @rule()
    def expand(self) -> None:
        written = expand_portion(self.rt, self.campaign.id)
        self.hints += written.hints if written else []

    @rule(is_committed=st.booleans())
    def expander_dies(self, is_committed: bool) -> None:
        portion = next_portion(self.rt, self.campaign.id)
        if portion and portion.order:
            [admission] = admit(self.rt, [(portion.request, portion.order)])
            with suppress(Died), nullcontext() if is_committed else dying_before_commit(self.rt):
                write(self.rt, portion, admission, capacities=capacities())

    @rule()
    def two_expand_at_once(self) -> None:
        portions = [next_portion(self.rt, self.campaign.id) for _ in range(2)]
        read = [(each, admit(self.rt, [(each.request, each.order)])) for each in portions if each and each.order]
        written = [write(self.rt, portion, admission, capacities=capacities()) for portion, [admission] in read]
        assert sum(each.is_written for each in written) <= 1
        self.hints += [hint for each in written for hint in each.hints]

    @rule(operation=st.sampled_from([control.pause, control.resume, control.resume, control.start]))
    def operate(self, operation: Callable[..., CampaignState]) -> None:
        with suppress(Conflict):
            operation(self.rt, self.campaign.id)

    @rule(happens=st.sampled_from([False] * 9 + [True]))
    def abort(self, happens: bool) -> None:
        if happens:
            with suppress(Conflict):
                abort(self.rt, self.campaign.id)

    @rule(happens=st.sampled_from([False] * 9 + [True]))
    def expire(self, happens: bool) -> None:
        if happens:
            self.campaign.set(valid_until=self.rt.now())

    @rule(per_hour=st.sampled_from([0, 0, 3600]))
    def limit(self, per_hour: int) -> None:
        with suppress(Conflict):
            control.limit(self.rt, self.campaign.id, per_hour=per_hour)

    @rule(line=st.integers(2, ROWS + 1))
    def opt_out(self, line: int) -> None:
        phone = dict(self.campaign.rows("line, phone"))[line]
        with self.rt.begin() as conn:
            opt_outs.add(conn, [(OptOut(self.world.account, phone), "STOP")])

    @rule(balance=st.sampled_from([0, 1_000_000]))
    def pay(self, balance: int) -> None:
        self.world.run("UPDATE wallets SET balance = %(balance)s", balance=balance)

    @rule(state=st.sampled_from(["active", "active", "suspended"]))
    def account(self, state: str) -> None:
        self.world.run("UPDATE accounts SET state = %(state)s", state=state)

    @rule()
    def deliver(self) -> None:
        hinted, self.hints = self.hints[:1], self.hints[1:]
        for hint in hinted:
            self.hints += deliver(self.rt, [hint.batch])

    @rule()
    def clock_ticks(self) -> None:
        self.campaign.progress("worked_at", self.rt.now() - timedelta(minutes=1))
        self.world.run("UPDATE batches SET hinted_at = hinted_at - interval '1 hour'")
        advance(self.rt)
        keep_gates(self.rt, self.campaign.id)
        self.hints += promote(self.rt) + sweep(self.rt).queued

    @invariant()
    def rows_keep_their_end(self) -> None:
        if not hasattr(self, "campaign"):
            return
        now = {
            row.line: (row.outcome, row.verdict, row.message)
            for page in result_rows(self.rt, self.campaign.id)
            for row in page
        }
        for line, end in self.ended.items():
            assert now[line] == end
        self.ended = {line: end for line, end in now.items() if end[0] != "pending"}
        sent, skipped, left_out = self.campaign.counts
        outcomes = [str(outcome) for outcome, *_ in now.values()]
        assert (sent, skipped) == (outcomes.count("sent"), outcomes.count("skipped"))
        assert left_out == outcomes.count("fenced") + outcomes.count("expired")
        messages = [message for _, _, message in now.values() if message]
        assert sorted(messages) == self.world.rows("SELECT id FROM messages ORDER BY id")
        if self.campaign.state == "finished":
            assert sent + skipped == ROWS

    @invariant()
    def holds(self) -> None:
        findings = [each.name for each in audit(self.rt) if each.broken and each.name not in ("I2", "I3 wallets")]
        assert findings == []
        held = "SELECT coalesce(sum(amount), 0) FROM ledger WHERE kind = 'hold'"
        assert self.world.rows(f"SELECT ({held}) = (SELECT coalesce(sum(amount), 0) FROM campaign_progress)") == [True]

    def teardown(self) -> None:
        """Let everything come to its end."""
        self.world.run("UPDATE accounts SET state = 'active'")
        self.campaign.set(max_cost=None, gates="{}")
        self.world.run("UPDATE wallets SET balance = 1000000")
        for _ in range(4 * ROWS):
            with suppress(Conflict):
                control.resume(self.rt, self.campaign.id)
            with suppress(Conflict):
                control.limit(self.rt, self.campaign.id, per_hour=0)
            self.expand()
            while self.hints:
                self.deliver()
            self.clock_ticks()
            if self.campaign.state not in ("running", "paused") and not self.hints:
                break
        assert self.campaign.state in ("finished", "aborted", "expired")
        assert "pending" not in {row.outcome for page in result_rows(self.rt, self.campaign.id) for row in page}
        self.rt.close()


def test_each_row_ends_once_and_money_is_exact_after_any_history(settings: Settings, new_database: NewDatabase) -> None:
    def make() -> World:
        fresh = {"database_url": SecretStr(new_database()), "campaign_ahead": 3}
        return World(Runtime(settings.model_copy(update=fresh)))

    machine = type("CampaignHistory", (_CampaignHistory,), {"make": staticmethod(make)})
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(max_examples=10, stateful_step_count=25, deadline=None, phases=[Phase.generate]),
    )
