"""What operators may do with a campaign, by its state."""

from pipeline.rules.campaign_lifecycle import CAMPAIGN_MOVES, ENDED
from schema.vocabulary import CampaignState as State

_STARTED = frozenset({State.SCHEDULED, State.RUNNING, State.PAUSED})

#: operation → the states that allow it
OPERATIONS: dict[str, frozenset[State]] = {
    "start": frozenset({State.APPROVED}),
    "pause": frozenset({State.SCHEDULED, State.RUNNING}),
    "resume": frozenset({State.PAUSED}),
    "abort": frozenset(CAMPAIGN_MOVES) - ENDED,
    # before it starts its limits are part of what is approved
    "limit": _STARTED,
}
#: what leads up to a start, which a refusal names too: step → the states that allow it
_STEPS_BEFORE: dict[str, frozenset[State]] = {
    "check": frozenset(state for state, after in CAMPAIGN_MOVES.items() if State.CHECKING in after),
    "approve": frozenset({State.QUOTED}),
}


def refusal(name: str, state: State, operation: str) -> str | None:
    """Return why an operation is not possible, and which are; None: it is possible."""
    if state in OPERATIONS[operation]:
        return None
    possible = [each for each, states in (_STEPS_BEFORE | OPERATIONS).items() if state in states]
    rest = f"possible now: {', '.join(possible)}" if possible else "nothing more can be done with it"
    return f"campaign {name!r} is {state}: it cannot be {_PAST[operation]}; {rest}"


_PAST = {"start": "started", "pause": "paused", "resume": "resumed", "abort": "aborted", "limit": "limited"}
