"""State transitions of campaigns. A database trigger refuses every other transition (migration 0018)."""

from schema.vocabulary import CampaignEventType
from schema.vocabulary import CampaignState as State

CAMPAIGN_MOVES: dict[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.CHECKING, State.ABORTED}),
    State.CHECKING: frozenset({State.QUOTED, State.FAILED, State.ABORTED}),
    State.FAILED: frozenset({State.CHECKING, State.ABORTED}),
    State.QUOTED: frozenset({State.CHECKING, State.STALE, State.APPROVED, State.ABORTED}),
    State.STALE: frozenset({State.CHECKING, State.ABORTED}),
    State.APPROVED: frozenset({State.CHECKING, State.STALE, State.SCHEDULED, State.RUNNING, State.ABORTED}),
    State.SCHEDULED: frozenset({State.RUNNING, State.PAUSED, State.EXPIRED, State.ABORTED}),
    State.RUNNING: frozenset({State.PAUSED, State.FINISHED, State.EXPIRED, State.ABORTED}),
    State.PAUSED: frozenset({State.SCHEDULED, State.RUNNING, State.EXPIRED, State.ABORTED}),
    State.FINISHED: frozenset(),
    State.ABORTED: frozenset(),
    State.EXPIRED: frozenset(),
}

#: states that nothing follows
ENDED = frozenset(state for state, following in CAMPAIGN_MOVES.items() if not following)
#: rows may be loaded, the definition may be changed
EDITABLE = frozenset({State.DRAFT, State.FAILED, State.QUOTED, State.STALE})
#: messages of a campaign may be submitted to carriers; of a finished one what a carrier could not deliver is resent
SENDABLE = frozenset({State.RUNNING, State.FINISHED})
#: states that webhooks report as a campaign comes into them
REPORTED = {
    State.QUOTED: CampaignEventType.QUOTED,
    State.FAILED: CampaignEventType.FAILED,
    State.STALE: CampaignEventType.STALE,
    State.RUNNING: CampaignEventType.RUNNING,
    State.PAUSED: CampaignEventType.PAUSED,
    State.FINISHED: CampaignEventType.FINISHED,
    State.ABORTED: CampaignEventType.ABORTED,
    State.EXPIRED: CampaignEventType.EXPIRED,
}
