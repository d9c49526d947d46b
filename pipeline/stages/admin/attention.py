"""What of an installation needs a person, and the state that tells so."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from pipeline.rules import attention as rules
from pipeline.rules.attention import (
    AttentionItem,
    BrokerView,
    DrainedCarrier,
    DueWork,
    HeldWork,
    InstallationState,
    KeptLetters,
    StoppedCampaign,
)
from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import attention, due_messages, heartbeat, held_batches
from pipeline.store.due_messages import DueMessages
from schema.message_class import MessageClass
from schema.vocabulary import CampaignState, DeadLetterSource, HoldReason, PauseCause

__all__ = ["AttentionItem", "BrokerView", "InstallationAttention", "InstallationState", "read_attention"]

#: age of campaigns whose failed check is still told of
_CAMPAIGNS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class InstallationAttention:
    """What needs a person, and the state that this was found in."""

    items: list[AttentionItem]
    state: InstallationState


def read_attention(rt: Runtime, broker: BrokerView) -> InstallationAttention:
    """Return what needs a person, the most urgent first; `broker`: what the caller knows of the broker."""
    now = rt.now()
    is_up, ticked_at = heartbeat.last(rt.valkey)
    with rt.read_only() as conn:
        found = InstallationState(
            at=now,
            broker=broker,
            is_valkey_up=is_up,
            ticked_at=ticked_at,
            due=_due(due_messages.due(conn, now)),
            drained=[DrainedCarrier(row.name, row.reason, row.changed_at) for row in attention.drained(conn)],
            held=[
                HeldWork(row["name"], row["messages"])
                for row in held_batches.held(conn)
                if row["held"] == HoldReason.CARRIER
            ],
            letters=[
                KeptLetters(DeadLetterSource(row.source), row.letters, row.oldest) for row in attention.letters(conn)
            ],
            campaigns=[
                StoppedCampaign(
                    row.id,
                    row.name,
                    row.account,
                    CampaignState(row.state),
                    PauseCause(row.cause) if row.cause else None,
                    row.reason,
                    row.at,
                )
                for row in attention.stopped(conn, ids.lowest(now - _CAMPAIGNS))
            ],
        )
    return InstallationAttention(rules.needs_person(found), found)


def _due(found: Iterable[DueMessages]) -> list[DueWork]:
    """Return due messages by class and carrier, whatever the status of their batch."""
    summed: dict[tuple[MessageClass, str], DueWork] = {}
    for each in found:
        key = (each.message_class, each.carrier)
        before = summed.get(key, DueWork(*key, 0, each.oldest))
        summed[key] = DueWork(*key, before.messages + each.messages, min(before.oldest, each.oldest))
    return list(summed.values())
