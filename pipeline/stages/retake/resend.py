"""Batches of messages that are sent once more."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pipeline.rules import ids
from pipeline.rules.routes import Ask
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, messages, situations
from pipeline.store.sent import Sent
from pipeline.store.situations import Choice
from schema.message import Batch, Hint
from schema.vocabulary import Again, BatchStatus, MessageClass, Status


class _Kind(NamedTuple):
    """What the messages of one such batch have in common."""

    account: int
    message_class: MessageClass
    valid_until: datetime
    carrier: str
    attempt: int
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resent:
    """What became of messages that were to be sent once more."""

    hints: list[Hint]
    #: those for which nobody is left, or too little time or money
    left: list[Sent]


def resend(rt: Runtime, conn: Connection, those: Sequence[Sent], why: Again, *, same: bool = False) -> Resent:
    """Make batches of sent messages for carriers that were not tried, or for the one that was tried last (`same`)."""
    now = batches.clock(conn)
    able = [each for each in those if each.valid_until > now and each.is_whole and each.resends < rt.settings.resends]
    choices = situations.choices(conn, rt.situations, {each.account for each in able}, rt.unwell()) if able else {}
    kinds: defaultdict[_Kind, list[UUID]] = defaultdict(list)
    for each in able:
        carrier = each.tried[-1] if same else _another(rt, each, choices[each.account])
        if carrier is not None:
            tried = tuple(sorted(set(each.tried) - {carrier}))
            kind = _Kind(each.account, each.message_class, each.valid_until, carrier, each.tries + 1, tried)
            kinds[kind].append(each.id)
    first = rt.mint()
    made = []
    for place, (kind, members) in enumerate(kinds.items()):
        situation = situations.keep(conn, rt.situations, choices[kind.account])
        batch = _batch(ids.after(first, place), kind, members, why, now, situation)
        messages.reassign(conn, members, batch.id, Status.SENT)
        made.append(batch)
    if made:
        batches.write(conn, made, hinted_at=now)
    taken = {id_ for members in kinds.values() for id_ in members}
    hints = [Hint(batch.id, batch.message_class, batch.carrier, batch.size) for batch in made]
    return Resent(hints, [each for each in those if each.id not in taken])


def _another(rt: Runtime, message: Sent, choice: Choice) -> str | None:
    """Return the first carrier that was not tried, is well, and does not ask too much."""
    ask = Ask(message.phone, message.country, message.sender, message.encoding)
    most = rt.settings.resend_cost
    decision = choice.table.decide(ask, message.tried)
    if most is None:
        return decision.carrier
    costs = {each.route.carrier: each.route.cost for each in decision.candidates if each.place is not None}
    fit = (each for each in decision.chain if (costs.get(each) or 0) * message.segments <= most)
    return next(fit, None)


def _batch(id_: UUID, kind: _Kind, members: Sequence[UUID], why: Again, now: datetime, situation: int) -> Batch:
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
        situation=situation,
        again=why,
    )
