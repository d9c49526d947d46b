"""The campaign of the demo: quoted, approved, begun with a canary, paused, resumed, and told of in a table."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import click

from pipeline.runtime import Runtime
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.counts import CampaignCounts, campaign_counts
from pipeline.stages.campaigns.create import create
from pipeline.stages.campaigns.find import find, progress
from pipeline.stages.campaigns.results import CampaignStanding, standing
from schema.campaign import Campaign, CampaignDefinition, Gates
from schema.vocabulary import CampaignState, RowOutcome
from workers.campaign_checking import check_all
from workers.campaign_file import table_rows
from workers.campaign_loading import load_file
from workers.cli.terminal.campaign_counts import counts_lines

FILE = Path(__file__).resolve().parents[2] / "data/demo.csv"
#: the text, filled from the file's columns
TEXT = "${greeting} ${name}, ${news}${closing}"
#: recipients that are sent first, and seconds until the others follow
CANARY, SOAK = 60, 1
#: recipients an hour: slow enough to be paused half-way
PER_HOUR = 2_400_000
#: seconds to wait for each step
TIMEOUT = 40.0

#: notes a check and whether it held; says a line; raises when the user has stopped the demo
Check = Callable[[str, bool], None]
Say = Callable[[str], None]
GoOn = Callable[[], None]


@dataclass(frozen=True, slots=True)
class DemoCampaign:
    """One run of the campaign."""

    rt: Runtime
    check: Check
    say: Say
    go_on: GoOn

    def run(self, name: str) -> UUID:
        """Create, check, approve and start the campaign, pause and resume it; return its id once it is finished."""
        began = time.monotonic()
        campaign = self._quote(name).id
        approve(self.rt, campaign)
        control.start(self.rt, campaign)
        self._canary(campaign)
        self._pause(campaign)
        control.resume(self.rt, campaign)
        ended = self._await(lambda: find(self.rt, ACCOUNT, name).state is CampaignState.FINISHED)
        found = standing(self.rt, campaign)
        self.check("the campaign finished, and each of its rows is sent or skipped", ended and _is_whole(found))
        self.check(
            "it cost no more than was quoted and approved", found.progress.amount <= (found.campaign.max_cost or 0)
        )
        self.say(f"                finished after {time.monotonic() - began:.1f} s; `postroad campaign results {name}`")
        return campaign

    def _quote(self, name: str) -> Campaign:
        gates = Gates(min_sample=30, failed=0.5)
        definition = CampaignDefinition(
            account=ACCOUNT, name=name, sender=SENDER, body=TEXT, per_hour=PER_HOUR, canary=CANARY, canary_soak=SOAK,
            gates=gates,
        )  # fmt: skip
        made = create(self.rt, definition)
        with FILE.open("rb") as content:
            loaded = load_file(self.rt, made.id, table_rows(content, TEXT, {}))
        start_check(self.rt, made.id)
        check_all(self.rt, made.id)
        found, counts = find(self.rt, ACCOUNT, name), progress(self.rt, made.id)
        self.check("the campaign was checked and quoted", found.state is CampaignState.QUOTED)
        self.check("bad numbers are skipped, and no others", 0 < counts.skipped < loaded.rows / 10)
        self.say(
            f"a campaign      of {loaded.rows:,} rows: {loaded.rows - counts.skipped:,} can be sent, "
            f"{counts.skipped} cannot; quoted, and approved"
        )
        return found

    def _canary(self, campaign: UUID) -> None:
        """Wait until the canary is sent, and more follows: its gates let it go on."""
        went_first = self._await(lambda: progress(self.rt, campaign).sent >= CANARY)
        went_on = self._await(lambda: progress(self.rt, campaign).sent > CANARY)
        self.check(
            "a canary across all countries went first, and its gates let the others follow", went_first and went_on
        )
        self.say(f"                a canary of {CANARY} first, its gates say: go on")

    def _pause(self, campaign: UUID) -> None:
        """Pause it half-way: once carriers have answered what they were given, they get nothing more."""
        part = progress(self.rt, campaign).rows // 3
        self._await(lambda: _handed_over(campaign_counts(self.rt, campaign)) >= part)
        control.pause(self.rt, campaign, "a closer look")
        self._await(lambda: "sending" not in standing(self.rt, campaign).waiting)
        at = _handed_over(campaign_counts(self.rt, campaign))
        time.sleep(1.5)
        counts = campaign_counts(self.rt, campaign)
        self.check("while it was paused no carrier was given a message of it", _handed_over(counts) == at)
        waiting = sum(standing(self.rt, campaign).waiting.values())
        self.say(f"                paused after {at:,} were handed over ({waiting:,} held), resumed")

    def _await(self, what: Callable[[], bool]) -> bool:
        """Wait until something holds; return whether it did before the timeout."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            self.go_on()
            if what():
                return True
            time.sleep(0.05)
        return False


def _handed_over(counts: CampaignCounts) -> int:
    """Return how many messages carriers have, or may have, or refused."""
    total = counts.total
    return total.messages - total.queued


def _is_whole(found: CampaignStanding) -> bool:
    return found.outcomes.get(RowOutcome.PENDING, 0) == 0 and found.progress.left_out == 0


def show_counts(rt: Runtime, campaign: UUID) -> None:
    """Print what became of the campaign's messages, by country and by carrier."""
    click.echo("\nthe campaign\n\n" + counts_lines(campaign_counts(rt, campaign)))
