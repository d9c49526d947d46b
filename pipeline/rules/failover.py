"""Where a message goes that its carrier did not take: to the next carrier, to another round, on hold, or nowhere."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules import retries
from pipeline.rules.routes import Ask, draw
from schema.message_class import MessageClass
from schema.vocabulary import Code, HoldReason


@dataclass(frozen=True, slots=True)
class Stand:
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
class Leftover:
    """A message its batch could not place."""

    id: UUID
    ask: Ask
    #: its carrier was asked and refused; else the carrier was away and never asked
    attempted: bool


@dataclass(frozen=True, slots=True)
class Onward:
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
class Plan:
    """What becomes of a batch's leftovers."""

    onward: dict[Onward, list[UUID]]
    failed: dict[Code, list[UUID]]


#: carriers in the order to try them
Chain = Callable[[Ask], Sequence[str]]


def plan(stand: Stand, leftovers: Iterable[Leftover], chain: Chain, now: datetime) -> Plan:
    """Return where each leftover goes: never back to a carrier in the same round, never after its time.

    Where the batch's carrier is not fit the chain must name fit ones only: a message for which none is left has not
    failed and burns no round; it is held where it is.
    """
    onward: defaultdict[Onward, list[UUID]] = defaultdict(list)
    failed: defaultdict[Code, list[UUID]] = defaultdict(list)
    for each in leftovers:
        step = _next(stand, each, chain(each.ask), now)
        if isinstance(step, Code):
            failed[step].append(each.id)
        else:
            onward[step].append(each.id)
    return Plan(dict(onward), dict(failed))


def stay(stand: Stand, pauses: Mapping[UUID, timedelta], now: datetime) -> tuple[dict[Onward, list[UUID]], list[UUID]]:
    """Return when those go to the same carrier again that it wants later, and those whose time is over by then."""
    onward: defaultdict[Onward, list[UUID]] = defaultdict(list)
    expired = []
    for id_, pause in pauses.items():
        if now + pause >= stand.valid_until:
            expired.append(id_)
        else:
            onward[Onward(stand.carrier, stand.attempt + 1, stand.round, stand.tried, now + pause)].append(id_)
    return dict(onward), expired


def _next(stand: Stand, message: Leftover, carriers: Sequence[str], now: datetime) -> Onward | Code:
    if stand.valid_until <= now:
        return Code.EXPIRED
    tried = (*stand.tried, stand.carrier)
    attempt = stand.attempt + message.attempted
    for carrier in carriers:
        if carrier not in tried:
            return Onward(carrier, attempt, stand.round, tried, None)
    if not stand.is_fit and not carriers:
        return Onward(stand.carrier, attempt, stand.round, stand.tried, None, HoldReason.CARRIER)
    pause = retries.wait(stand.message_class, stand.round, draw(stand.round + 1))
    if pause is None:
        return Code.NO_CARRIER_LEFT
    if now + pause >= stand.valid_until:
        return Code.EXPIRED
    first = carriers[0] if carriers else stand.carrier
    return Onward(first, attempt, stand.round + 1, (), now + pause)
