"""Where a message goes that its carrier did not take: to the next carrier, to another round, on hold, or nowhere."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.routing import retries
from pipeline.rules.routing.routes import RouteQuery, draw
from schema.message_class import MessageClass
from schema.vocabulary import Code, HoldReason


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch has come: all of its messages alike."""

    message_class: MessageClass
    carrier: str
    #: which attempt it was making, from 1
    attempt: int
    #: rounds over all routes that are finished, from 0
    round: int
    #: carriers that refused it, or were away, before in this round
    tried: tuple[str, ...]
    valid_until: datetime
    #: whether its carrier may be given messages at all: it is neither drained nor wrongly set up
    is_fit: bool = True


@dataclass(frozen=True, slots=True)
class Remainder:
    """A message its batch could not place."""

    id: UUID
    ask: RouteQuery
    #: its carrier was asked and refused; else the carrier was away and never asked
    attempted: bool


@dataclass(frozen=True, slots=True)
class NextCarrier:
    """What the messages of one onward batch have in common."""

    carrier: str
    attempt: int
    round: int
    tried: tuple[str, ...]
    #: None: at once
    due_at: datetime | None
    #: why it is kept back; None: it is not
    held: HoldReason | None = None


@dataclass(frozen=True, slots=True)
class FailoverPlan:
    """What becomes of a batch's leftovers."""

    next_carrier: dict[NextCarrier, list[UUID]]
    failed: dict[Code, list[UUID]]


#: carriers in the order to try them
Chain = Callable[[RouteQuery], Sequence[str]]


def plan(state: BatchProgress, remainders: Iterable[Remainder], chain: Chain, now: datetime) -> FailoverPlan:
    """Return where each leftover goes: never back to a carrier in the same round, never after its time.

    Where the batch's carrier is not fit the chain must name fit ones only: a message for which none is left has not
    failed and burns no round; it is held where it is.
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


def stay(
    state: BatchProgress, pauses: Mapping[UUID, timedelta], now: datetime
) -> tuple[dict[NextCarrier, list[UUID]], list[UUID]]:
    """Return when those go to the same carrier again that it wants later, and those whose time is over by then."""
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
    pause = retries.wait(state.message_class, state.round, draw(state.round + 1))
    if pause is None:
        return Code.NO_CARRIER_LEFT
    if now + pause >= state.valid_until:
        return Code.EXPIRED
    first = carriers[0] if carriers else state.carrier
    return NextCarrier(first, attempt, state.round + 1, (), now + pause)
