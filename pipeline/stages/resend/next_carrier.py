"""Batches of messages that are sent once more."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.rules.routing.routes import RouteQuery
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, messages, routing_snapshot
from pipeline.store.resendable import ResendableMessage
from pipeline.store.routing_snapshot import RouteChoice
from schema.message import Batch, Hint
from schema.message_class import MessageClass
from schema.vocabulary import BatchStatus, HoldReason, ResendReason, Status


class _Kind(NamedTuple):
    """What the messages of one such batch have in common."""

    account: int
    message_class: MessageClass
    valid_until: datetime
    carrier: str
    attempt: int
    #: carriers that were tried, or ask too much
    tried: tuple[str, ...]
    held: HoldReason | None


@dataclass(frozen=True, slots=True)
class Resent:
    """What became of messages that were to be sent once more."""

    hints: list[Hint]
    #: those for which nobody is left, or too little time or money
    left: list[ResendableMessage]


def resend(rt: Runtime, conn: Connection, those: Sequence[ResendableMessage], why: ResendReason) -> Resent:
    """Make batches of sent messages for carriers that were not tried, or for the one tried last (`Again.REPEAT`).

    Where a carrier could not deliver those of a suspended account, they are held until it is resumed; the others are
    left where they are.
    """
    now = batches.clock(conn)
    most = rt.settings.resends
    able = [
        each
        for each in those
        if (each.may_go or why is ResendReason.UNDELIVERED)
        and each.is_whole
        and each.valid_until > now
        and (why is ResendReason.REPEAT or each.resends < most)
    ]
    kinds: defaultdict[_Kind, list[UUID]] = defaultdict(list)
    choices: dict[int, RouteChoice] = {}
    if able and why is not ResendReason.REPEAT:
        choices = routing_snapshot.choices(conn, rt.snapshots, {each.account for each in able}, rt.unhealthy())
    for each in able:
        carrier, out = _choose(rt, each, choices.get(each.account))
        if carrier is not None:
            tried = tuple(sorted(out))
            held = None if each.may_go else HoldReason.ACCOUNT
            kind = _Kind(each.account, each.message_class, each.valid_until, carrier, each.tries + 1, tried, held)
            kinds[kind].append(each.id)
    hints = _write(rt, conn, kinds, choices, why, now)
    taken = {id_ for members in kinds.values() for id_ in members}
    return Resent(hints, [each for each in those if each.id not in taken])


def _choose(rt: Runtime, message: ResendableMessage, choice: RouteChoice | None) -> tuple[str | None, set[str]]:
    """Return the carrier to give a message to, if there is one, and those that are out: tried, or too dear."""
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
    rt: Runtime,
    conn: Connection,
    kinds: dict[_Kind, list[UUID]],
    choices: dict[int, RouteChoice],
    why: ResendReason,
    now: datetime,
) -> list[Hint]:
    """Write a batch for each kind, and put its members there; return them as hints."""
    first = rt.new_ids()
    made = []
    for place, (kind, members) in enumerate(kinds.items()):
        choice = choices.get(kind.account)
        snapshot = routing_snapshot.keep(conn, rt.snapshots, choice) if choice else None
        batch = _batch(ids.after(first, place), kind, members, why, now, snapshot)
        messages.reassign(conn, members, batch.id, Status.SENT)
        made.append(batch)
    if made:
        batches.write(conn, made, hinted_at=now)
    return [Hint(batch.id, batch.message_class, batch.carrier, batch.size) for batch in made if not batch.held]


def _batch(
    id_: UUID, kind: _Kind, members: Sequence[UUID], why: ResendReason, now: datetime, snapshot: int | None
) -> Batch:
    return Batch(
        id=id_,
        account=kind.account,
        message_class=kind.message_class,
        carrier=kind.carrier,
        test=False,
        status=BatchStatus.QUEUED,
        due_at=now,
        valid_until=kind.valid_until,
        size=len(members),
        first=min(members),
        last=max(members),
        attempt=kind.attempt,
        tried=kind.tried,
        snapshot=snapshot,
        again=why,
        held=kind.held,
    )
