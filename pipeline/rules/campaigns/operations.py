"""What operators may do with a campaign, by its state."""

from pipeline.errors import require
from pipeline.rules.campaign_lifecycle import CAMPAIGN_MOVES, EDITABLE, ENDED
from schema.vocabulary import CampaignState as State

#: how the reason of a pause by a gate begins
GATED = "gate:"
#: longest reason, in characters
_REASON = 200
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

#: what changes what it would send: step → the states that allow it
_WRITING: dict[str, frozenset[State]] = {"load": EDITABLE, "change": EDITABLE | {State.APPROVED}}


def possible_operations(state: State) -> frozenset[str]:
    """Return what operators may do with a campaign in a state."""
    return frozenset(each for each, states in (_WRITING | _STEPS_BEFORE | OPERATIONS).items() if state in states)


def refusal(name: str, state: State, operation: str) -> str | None:
    """Return why an operation is not possible, and which are; None: it is possible."""
    if state in OPERATIONS[operation]:
        return None
    possible = [each for each, states in (_STEPS_BEFORE | OPERATIONS).items() if state in states]
    rest = f"possible now: {', '.join(possible)}" if possible else "nothing more can be done with it"
    return f"campaign {name!r} is {state}: it cannot be {_PAST[operation]}; {rest}"


_PAST = {"start": "started", "pause": "paused", "resume": "resumed", "abort": "aborted", "limit": "limited"}


def operator_reason(reason: str | None) -> str | None:
    """Return an operator's reason; InvalidInput unless it is one line of text."""
    words = (reason or "").strip() or None
    require(
        words is None or (len(words) <= _REASON and words.isprintable()), f"a reason is a line of {_REASON} characters"
    )
    require(words is None or not words.startswith(GATED), f"a reason does not begin with {GATED!r}")
    return words
