"""Explain: tell why a message went by the carriers it went by, or would go by now. Nothing is sent."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.errors import ConfigurationError
from pipeline.rules.numbers import phones
from pipeline.rules.routing.routes import Decision, RouteQuery, decide
from pipeline.rules.routing.routing_snapshot import CarrierSnapshot, RoutingSnapshot
from pipeline.rules.text import segments
from pipeline.runtime import Runtime
from pipeline.store import accounts, overview, routing_snapshot
from schema.vocabulary import Encoding

__all__ = ["CarrierSnapshot", "Explained", "ExplainedChoice", "ForeseenRoute", "explain", "find", "foresee"]

Row = dict[str, Any]

#: messages that are named where an id's beginning fits several
SEVERAL = 10


@dataclass(frozen=True, slots=True)
class ExplainedChoice:
    """One choice of a carrier for a message, made again from what it hung on, and what became of it."""

    at: datetime
    carrier: str
    #: which attempt it was to be, and how often all routes were gone through before
    attempt: int
    round: int
    tried: list[str]
    #: why it was sent once more though a carrier had it, or may have; None: it was not
    again: str | None
    #: the choice made again; None: there was none to make, or what it hung on was not kept yet
    decision: Decision | None
    snapshot: RoutingSnapshot | None
    attempts: list[Row]

    @property
    def is_same(self) -> bool | None:
        """Whether it comes out as it did; None: there was nobody to choose, or nothing to choose by."""
        return None if self.decision is None or not self.decision.chain else self.decision.carrier == self.carrier


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a message went where it went."""

    message: Row
    turns: list[ExplainedChoice]
    receipts: list[Row]


@dataclass(frozen=True, slots=True)
class ForeseenRoute:
    """Where a message would go now."""

    account: str
    ask: RouteQuery
    decision: Decision
    snapshot: RoutingSnapshot


def find(rt: Runtime, word: str) -> list[UUID]:
    """Return the messages whose id begins so, up to `SEVERAL`; ConfigurationError: no id begins so."""
    digits = word.replace("-", "").lower()
    if not re.fullmatch("[0-9a-f]{4,32}", digits):
        raise ConfigurationError(f"{word!r} is no message id, nor the first 4 digits or more of one")
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    with rt.begin() as conn:
        return overview.beginning(conn, low, high, SEVERAL)


def explain(rt: Runtime, wanted: UUID) -> Explained | None:
    """Return each choice of a carrier for a message, as far as it was kept; None: there is no such message."""
    with rt.begin() as conn:
        message = overview.message(conn, wanted, None)
        if message is None:
            return None
        tries = overview.attempts(conn, wanted)
        passed = overview.batches(conn, sorted({each["batch_id"] for each in tries} | {message["batch_id"]}))
        kept = routing_snapshot.read(conn, {each["situation_id"] for each in passed} - {None})
        reports = overview.receipts(conn, wanted)
    ask = _ask(message)
    turns = [
        _turn(batch, kept.get(batch["situation_id"]), ask, [each for each in tries if each["batch_id"] == batch["id"]])
        for batch in sorted(passed, key=lambda batch: (batch["created_at"], batch["id"]))
    ]
    return Explained(message, turns, reports)


def _ask(message: Row) -> RouteQuery:
    encoding = Encoding(message["encoding"]) if message["encoding"] else segments.encoding(message["body"])
    return RouteQuery(message["phone"], message["country"], message["sender"], encoding)


def _turn(batch: Row, snapshot: RoutingSnapshot | None, ask: RouteQuery, attempts: list[Row]) -> ExplainedChoice:
    return ExplainedChoice(
        at=batch["created_at"],
        carrier=batch["carrier"],
        attempt=batch["attempt"],
        round=batch["round"],
        tried=list(batch["tried"]),
        again=batch["again"],
        decision=None if snapshot is None else decide(snapshot, ask, batch["tried"]),
        snapshot=snapshot,
        attempts=attempts,
    )


def foresee(rt: Runtime, account: str, to: str, sender: str, text: str, country: str | None = None) -> ForeseenRoute:
    """Return where a message would go now; ConfigurationError: invalid number; NotFound: no such account.

    `country` (ISO) is where a number without its plus is dialled.
    """
    [number] = phones.normalise([to], country)
    if number is None:
        raise ConfigurationError(phones.phone_fault(to, country))
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id
        table = routing_snapshot.choices(conn, rt.snapshots, [owner], rt.unhealthy())[owner].table
    ask = RouteQuery(number.e164, number.country, sender, segments.encoding(text))
    return ForeseenRoute(account, ask, table.decide(ask), table.snapshot)
