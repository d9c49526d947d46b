"""Failover: where a message goes that its carrier did not accept: next carrier, next round, on hold, or failed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.routing import retry_delays
from pipeline.rules.routing.routes import RouteQuery, draw
from schema.message_class import MessageClass
from schema.vocabulary import Code, HoldReason


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch has come; the same for all of its messages."""

    message_class: MessageClass
    carrier: str
    #: number of its latest attempt, from 1
    attempt: int
    #: completed rounds over all routes, from 0
    round: int
    #: carriers that refused it, or were down, earlier in this round
    tried: tuple[str, ...]
    valid_until: datetime
    #: whether its carrier may be given messages: it is neither drained nor misconfigured
    is_fit: bool = True


@dataclass(frozen=True, slots=True)
class Remainder:
    """A message that its batch's carrier did not accept."""

    id: UUID
    ask: RouteQuery
    #: whether it was submitted and refused; otherwise the carrier was down and it was not submitted
    attempted: bool


@dataclass(frozen=True, slots=True)
class NextCarrier:
    """What the messages of one follow-up batch have in common."""

    carrier: str
    attempt: int
    round: int
    tried: tuple[str, ...]
    #: None: at once
    due_at: datetime | None
    #: why it is held; None: it is not
    held: HoldReason | None = None


@dataclass(frozen=True, slots=True)
class FailoverPlan:
    """What becomes of a batch's remainder."""

    next_carrier: dict[NextCarrier, list[UUID]]
    failed: dict[Code, list[UUID]]


#: returns carriers in the order to try them
Chain = Callable[[RouteQuery], Sequence[str]]


def plan(state: BatchProgress, remainders: Iterable[Remainder], chain: Chain, now: datetime) -> FailoverPlan:
    """Return where each message of the remainder goes: never to the same carrier twice in a round, never after expiry.

    Where the batch's carrier is not fit, the chain must contain fit ones only: a message for which none is left has not
    failed and uses up no round; it is held where it is.
    """
    next_carrier: defaultdict[NextCarrier, list[UUID]] = defaultdict(list)
    failed: defaultdict[Code, list[UUID]] = defaultdict(list)
    for each in remainders:
        step = _next(state, each, chain(each.ask), now)
        if isinstance(step, Code):
            failed[step].append(each.id)
        else:
            next_carrier[step].append(each.id)
    return FailoverPlan(dict(next_carrier), dict(failed))


def wait(
    state: BatchProgress, pauses: Mapping[UUID, timedelta], now: datetime
) -> tuple[dict[NextCarrier, list[UUID]], list[UUID]]:
    """Return when throttled messages go to the same carrier again, and those that will have expired by then."""
    next_carrier: defaultdict[NextCarrier, list[UUID]] = defaultdict(list)
    expired = []
    for id_, pause in pauses.items():
        if now + pause >= state.valid_until:
            expired.append(id_)
        else:
            next_carrier[NextCarrier(state.carrier, state.attempt + 1, state.round, state.tried, now + pause)].append(
                id_
            )
    return dict(next_carrier), expired


def _next(state: BatchProgress, message: Remainder, carriers: Sequence[str], now: datetime) -> NextCarrier | Code:
    if state.valid_until <= now:
        return Code.EXPIRED
    tried = (*state.tried, state.carrier)
    attempt = state.attempt + message.attempted
    for carrier in carriers:
        if carrier not in tried:
            return NextCarrier(carrier, attempt, state.round, tried, None)
    if not state.is_fit and not carriers:
        return NextCarrier(state.carrier, attempt, state.round, state.tried, None, HoldReason.CARRIER)
    pause = retry_delays.wait(state.message_class, state.round, draw(state.round + 1))
    if pause is None:
        return Code.NO_CARRIER_LEFT
    if now + pause >= state.valid_until:
        return Code.EXPIRED
    first = carriers[0] if carriers else state.carrier
    return NextCarrier(first, attempt, state.round + 1, (), now + pause)
