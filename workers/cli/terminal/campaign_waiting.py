"""Waits until a campaign has ended or is paused."""

import time

from pipeline.runtime import Runtime
from pipeline.stages.campaigns.results import CampaignStanding, standing
from schema.campaign import Campaign
from schema.vocabulary import BatchStatus, CampaignState
from workers.cli.terminal.table_layout import progress

#: seconds between two polls, and their greatest value
_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


def wait_for_end(rt: Runtime, campaign: Campaign, *, timeout: float) -> CampaignStanding:
    """Wait with a progress bar until a campaign has ended or is paused; return how far it is.

    Also after `timeout` seconds without a change, unless it waits for a time: its send time, the end of quiet hours, or
    its own limits.
    """
    pause, changed, before = _PAUSE, time.monotonic(), None
    with progress(standing(rt, campaign.id).progress.rows, "sending ") as bar:
        while True:
            seen, now = standing(rt, campaign.id), time.monotonic()
            through = seen.handed_over + seen.progress.skipped
            bar.update(through - bar.pos)
            if seen.has_ended or seen.campaign.state is CampaignState.PAUSED:
                return seen
            state = (seen.campaign.state, through, seen.progress.pending)
            if state != before or _waits_for_time(seen):
                changed, pause, before = now, _PAUSE, state
            if now - changed > timeout:
                return seen
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)


def unfinished(seen: CampaignStanding) -> int:
    """Return how many recipients have neither been handed over to a carrier nor skipped."""
    return seen.progress.pending + sum(seen.waiting.values())


def _waits_for_time(seen: CampaignStanding) -> bool:
    found = seen.campaign
    limits = (found.per_hour, found.segments_per_second, found.spread_hours, found.local_hours, found.canary)
    is_put_off = BatchStatus.SCHEDULED in seen.waiting
    return found.state is CampaignState.SCHEDULED or is_put_off or any(limits)
