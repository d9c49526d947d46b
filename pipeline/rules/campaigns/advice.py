"""What a campaign waits for, in words for those who look after it."""

from pipeline.rules.campaigns.operations import GATED
from schema.vocabulary import CampaignState as State
from schema.vocabulary import Code, PauseCause

#: states in which nothing happens until a person does something
NEEDS_PERSON = frozenset({State.DRAFT, State.FAILED, State.QUOTED, State.STALE, State.APPROVED, State.PAUSED})

_STATES = {
    State.DRAFT: "Load its recipients, then check it.",
    State.CHECKING: "Its recipients are being checked and priced.",
    State.FAILED: "It cannot be sent as it is. Mend what is wrong, then check it again.",
    State.QUOTED: "It waits for somebody to read its quote and approve it.",
    State.STALE: "Its quote does not hold any more. Check it again, then approve the new quote.",
    State.APPROVED: "It is approved and waits to be started.",
    State.SCHEDULED: "It begins by itself at its send time.",
}
_PAUSES = {
    str(Code.INSUFFICIENT_FUNDS): "Wallet and quota do not cover the next messages. Top up, then resume it.",
    str(PauseCause.QUOTE_EXCEEDED): "The rest would cost more than was approved. It can only be aborted.",
}
_BY_GATES = "A gate has paused it. Look at its messages: resuming goes on in spite of the gate, aborting ends it."
_REFUSED = "Its messages would be refused for this reason. Mend that, then resume it."
_BY_PERSON = "It was paused by a person. It goes on once it is resumed; its validity runs on."


def waits_for(state: State, reason: str | None) -> str:
    """Return what a campaign in a state waits for, as a sentence or two; "" where for nothing."""
    if state is not State.PAUSED:
        return _STATES.get(state, "")
    if reason and reason.startswith(GATED):
        return _BY_GATES
    if reason in _PAUSES:
        return _PAUSES[reason]
    return _REFUSED if reason in set(Code) else _BY_PERSON
