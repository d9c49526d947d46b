"""Whatever happens while a campaign is loaded and checked, each row is either in its quote or skipped with a reason."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import hypothesis
import pytest
from hypothesis import strategies as st

from pipeline.errors import Conflict
from pipeline.stages.admin.compliance import opt_in, opt_out
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admit import admit
from pipeline.stages.campaigns import check_rows
from pipeline.stages.campaigns.check_rows import RowsToCheck, end_check, next_rows, record_checked, start_check
from pipeline.stages.campaigns.create import change
from pipeline.stages.campaigns.exclude import exclude_numbers
from pipeline.stages.campaigns.load import load
from schema.campaign import Campaign, GivenRow
from schema.message import Admission
from tests.campaigns import checked, counts, draft, now, quote_of, verdicts
from tests.world import World
from workers.campaign_checking import check_all, check_portion
from workers.campaign_loading import load_file

#: rows of a file, of a portion of loading, and of checking
ROWS, LOADED, CHECKED = 14, 4, 3
#: the line that cannot be read
MALFORMED = 9
_names = itertools.count()


class Step(NamedTuple):
    """One thing that happens, to the number at a place."""

    what: str
    place: int


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            [
                "load",
                "start",
                "check",
                "check",
                "check",
                "read",
                "record",
                "opt out",
                "opt in",
                "exclude",
                "price",
                "text",
            ]
        ),
        st.integers(0, ROWS - 1),
    ),
    max_size=14,
)


class _History:
    """A campaign, and a worker that is late."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.made: Campaign = draft(world, (), f"c{next(_names)}")
        # numbers of its own; some are repeated, some are none, one line is malformed
        start = int(self.made.id.hex[8:14], 16) % 90_000 + 10_000
        self.numbers = [f"+23480{start:05}{place % 11:03}" for place in range(ROWS)]
        self.numbers[5] = "nix"
        self.rows = [
            GivenRow(line, {"to": number, "merge": {"name": "Ada"}}) for line, number in enumerate(self.numbers, 2)
        ]
        self.rows[MALFORMED - 2] = GivenRow(MALFORMED, None, "not UTF-8")
        self.left_out: set[int] = set()
        self.opted_out: set[str] = set()
        self._late: tuple[RowsToCheck, Admission | None] | None = None

    def do(self, step: Step) -> None:
        """Let a step happen, if the campaign's state allows it."""
        rt, number = self.world.rt, self.numbers[step.place]
        number = number if number != "nix" else self.numbers[0]
        steps: dict[str, Callable[[], object]] = {
            "load": lambda: self._load(step.place),
            "start": lambda: start_check(rt, self.made.id),
            "check": lambda: check_portion(rt, self.made.id),
            "read": self._read,
            "record": self._record,
            "opt out": lambda: self._opt(number, out=True),
            "opt in": lambda: self._opt(number, out=False),
            "exclude": lambda: self._exclude(number),
            "price": lambda: set_price(rt, "*", None, 400 + step.place, "acme"),
            "text": lambda: change(rt, self.made.id, {"body": f"Hi ${{name}} {step.place}"}),
        }
        with suppress(Conflict):
            steps[step.what]()

    def _load(self, place: int) -> None:
        """Load the portions of the file up to a place, as a process that is killed there."""
        for start in range(0, place + 1, LOADED):
            load(self.world.rt, self.made.id, self.rows[start : start + LOADED])

    def _opt(self, number: str, *, out: bool) -> None:
        if out:
            opt_out(self.world.rt, "acme", number)
            self.opted_out.add(number)
        elif number in self.opted_out:
            opt_in(self.world.rt, "acme", number)
            self.opted_out.remove(number)

    def _exclude(self, number: str) -> None:
        """Leave a number out: its rows that are loaded, not those that follow."""
        exclude_numbers(self.world.rt, self.made.id, [number])
        loaded = verdicts(self.world, self.made)
        self.left_out |= {line for line in loaded if line != MALFORMED and self.numbers[line - 2] == number}

    def _read(self) -> None:
        found = next_rows(self.world.rt, self.made.id)
        if found is not None:
            rt = self.world.rt
            self._late = found, admit(rt, [(rt.new_ids(), found.order(rt.now()))])[0] if found.rows else None

    def _record(self) -> None:
        if self._late:
            found, admission = self._late
            record_checked(self.world.rt, found, admission) if admission else end_check(self.world.rt, found)

    def end(self) -> Campaign:
        """Load the rest, complete the check, and check once more."""
        check_all(self.world.rt, self.made.id)
        load_file(self.world.rt, self.made.id, iter(self.rows))
        return checked(self.world, self.made)


@hypothesis.settings(max_examples=25)
@hypothesis.given(steps)
def test_each_row_is_in_the_quote_or_skipped_whatever_happened_before(shared_world: World, history: list[Step]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_rows, "PORTION", CHECKED)
        campaign = _History(shared_world)
        for step in history:
            campaign.do(step)
            sums = counts(shared_world, campaign.made)
            assert 0 <= sums.skipped <= sums.rows
            state = now(shared_world, campaign.made)
            if state.state == "quoted":
                assert sums.skipped + quote_of(state).total.messages == sums.rows
        found = campaign.end()

    seen: set[str] = set()
    for line, verdict in verdicts(shared_world, found).items():
        number = campaign.numbers[line - 2]
        if line == MALFORMED or line in campaign.left_out:
            assert verdict == ("malformed" if line == MALFORMED else "excluded")
        else:
            assert (verdict is None) == (number != "nix" and number not in campaign.opted_out | seen), (line, verdict)
            seen.add(number)
