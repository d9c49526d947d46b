"""Next carrier of resent messages: choose it and write their new batches."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.rules.routing.failover import NextCarrier
from pipeline.rules.routing.routes import RouteQuery
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, routing_snapshot
from pipeline.store.resendable import ResendableMessage
from pipeline.store.routing_snapshot import RouteChoice
from pipeline.transitions import successor_batches
from pipeline.transitions.successor_batches import successor
from schema.message import Hint
from schema.message_class import MessageClass
from schema.vocabulary import MessageJobResult, ResendReason


@dataclass(frozen=True, slots=True)
class _Origin:
    """Common properties of the messages of one resend batch, apart from the carrier."""

    account: int
    message_class: MessageClass
    valid_until: datetime
    resend_reason: ResendReason
    campaign: UUID | None
    #: test messages are never resent
    test: bool = False


#: messages by common properties and next carrier
_Members = dict[tuple[_Origin, NextCarrier], list[UUID]]


@dataclass(frozen=True, slots=True)
class Resent:
    """Result of a resend."""

    hints: list[Hint]
    #: messages without another carrier, or with too little time or money left
    left: list[ResendableMessage]


def resend(rt: Runtime, conn: Connection, those: Sequence[ResendableMessage], why: ResendReason) -> Resent:
    """Write batches of sent messages for untried carriers, or for the last one (`ResendReason.REPEAT`); return them.

    Undelivered messages of a suspended account or a paused campaign are held until it is resumed; for the other reasons
    they are not resent. Those of an aborted campaign are not resent at all.
    """
    now = batches.clock(conn)
    able = [each for each in those if obstacle(each, why, now, rt.settings.resends) is None]
    next_carrier: _Members = defaultdict(list)
    choices: dict[int, RouteChoice] = {}
    if able and why is not ResendReason.REPEAT:
        choices = routing_snapshot.choices(conn, rt.snapshots, {each.account for each in able}, rt.unhealthy())
    for each in able:
        carrier, out = _choose(rt, each, choices.get(each.account))
        if carrier is not None:
            to = NextCarrier(carrier, each.tries + 1, 0, tuple(sorted(out)), None, each.held)
            origin = _Origin(each.account, each.message_class, each.valid_until, why, each.campaign)
            next_carrier[origin, to].append(each.id)
    hints = _write(rt, conn, next_carrier, choices, now)
    taken = {id_ for members in next_carrier.values() for id_ in members}
    return Resent(hints, [each for each in those if each.id not in taken])


def obstacle(message: ResendableMessage, why: ResendReason, now: datetime, most: int) -> MessageJobResult | None:
    """Return why a message may not be resent, whatever carriers there are; None: it may. `most`: number of resends."""
    if message.valid_until <= now:
        return MessageJobResult.EXPIRED
    if not message.is_whole:
        return MessageJobResult.REDACTED
    if message.is_over or (message.held and why is not ResendReason.UNDELIVERED):
        return MessageJobResult.HELD
    if why is not ResendReason.REPEAT and message.resends >= most:
        return MessageJobResult.RESENT_BEFORE
    return None


def without_carrier(rt: Runtime, conn: Connection, those: Sequence[ResendableMessage]) -> set[UUID]:
    """Return those of the messages that no carrier would take now beside the tried ones; nothing is written."""
    choices = routing_snapshot.choices(conn, rt.snapshots, {each.account for each in those}, rt.unhealthy())
    return {each.id for each in those if _choose(rt, each, choices[each.account])[0] is None}


def _choose(rt: Runtime, message: ResendableMessage, choice: RouteChoice | None) -> tuple[str | None, set[str]]:
    """Return the next carrier of a message, or None, and the excluded ones: tried, or above `resend_cost`."""
    if choice is None:
        return message.tried[-1], set(message.tried) - {message.tried[-1]}
    ask = RouteQuery(message.phone, message.country, message.sender, message.encoding)
    decision = choice.table.decide(ask, message.tried)
    out = set(message.tried)
    most = rt.settings.resend_cost
    if most is not None:
        lines = (each.route for each in decision.candidates if each.place is not None)
        out |= {line.carrier for line in lines if (line.cost or 0) * message.segments > most}
    return next((each for each in decision.chain if each not in out), None), out


def _write(
    rt: Runtime, conn: Connection, next_carrier: _Members, choices: dict[int, RouteChoice], now: datetime
) -> list[Hint]:
    """Write the batches and move the messages to them; return those that may be delivered."""
    successors = []
    for (origin, to), members in next_carrier.items():
        choice = choices.get(origin.account)
        snapshot = routing_snapshot.keep(conn, rt.snapshots, choice) if choice else None
        successors.append(successor(origin, to, members, now, snapshot))
    return successor_batches.write(conn, now, rt.new_ids(), successors)
