"""Gates: pause a running campaign whose share of failed, undelivered or opted-out messages is above its limit."""

from uuid import UUID

from pipeline.rules.campaigns.gates import has_gates, tripped
from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import campaign_outcomes, campaign_progress, campaigns
from pipeline.transitions import campaign_moves
from schema.campaign import CampaignProgress
from schema.vocabulary import CampaignState, PauseCause

#: rows behind those on their way whose messages are looked at, so that a look costs the same however large it is
LATEST = 5000


def keep_gates(rt: Runtime, campaign: UUID) -> bool:
    """Pause a campaign if one of its gates says so; return whether it is running.

    Gates look at the canary until other rows follow it, then at the latest rows.
    """
    with rt.read_only() as conn:
        found = campaigns.of(conn, campaign)
        if found is None or found.state is not CampaignState.RUNNING:
            return False
        if not has_gates(found.gates):
            return True
        progress = campaign_progress.of(conn, campaign)
        if found.canary and not progress.expanded_line:
            spans = campaign_outcomes.canary(conn, campaign)
        else:
            spans = campaign_outcomes.latest(
                conn, campaign, progress.expanded_line, rt.settings.campaign_ahead + LATEST
            )
        if progress.gated_from:
            lowest = ids.lowest(progress.gated_from)
            spans = [span for span in spans if span.first >= lowest]
        since = found.started_at if found.gates.get("opted_out") is not None else None
        reason = tripped(found.gates, campaign_outcomes.sample(conn, spans, opted_out_since=since))
    if reason:
        _pause(rt, progress, reason)
    return reason is None


def _pause(rt: Runtime, looked_at: CampaignProgress, reason: str) -> None:
    """Pause a campaign that still runs, unless it was resumed since its gates were looked at."""
    with rt.begin() as conn:
        found = campaigns.lock(conn, looked_at.campaign_id)
        if found is None or found.state is not CampaignState.RUNNING:
            return
        if campaign_progress.of(conn, found.id).gated_from == looked_at.gated_from:
            campaign_moves.move(conn, rt.now(), found, CampaignState.PAUSED, reason, cause=PauseCause.GATES)
