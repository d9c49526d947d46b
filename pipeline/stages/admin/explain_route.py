"""Explanation of routing: why a message went to its carriers, and which route one would take now; nothing is sent."""

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
from pipeline.store import accounts, operator_reports, routing_snapshot
from schema.vocabulary import Encoding

__all__ = ["CarrierSnapshot", "Explained", "ExplainedChoice", "ForeseenRoute", "explain", "find", "foresee"]

Row = dict[str, Any]

#: maximum number of messages returned for an id prefix
SEVERAL = 10


@dataclass(frozen=True, slots=True)
class ExplainedChoice:
    """One choice of a carrier for a message, repeated from its routing snapshot, with the attempts that followed."""

    at: datetime
    carrier: str
    #: number of the attempt, and the number of rounds over all routes before it
    attempt: int
    round: int
    tried: list[str]
    #: the reason of the resend; None: it was not a resend
    resend_reason: str | None
    #: the repeated choice; None: no choice was made, or its routing snapshot is not stored
    decision: Decision | None
    snapshot: RoutingSnapshot | None
    attempts: list[Row]

    @property
    def is_same(self) -> bool | None:
        """Return whether the repeated choice has the same result; None: no carrier or no snapshot to choose by."""
        return None if self.decision is None or not self.decision.chain else self.decision.carrier == self.carrier


@dataclass(frozen=True, slots=True)
class Explained:
    """A message with the choices of its carriers and its receipts."""

    message: Row
    choices: list[ExplainedChoice]
    receipts: list[Row]


@dataclass(frozen=True, slots=True)
class ForeseenRoute:
    """The route that a message would take now."""

    account: str
    ask: RouteQuery
    decision: Decision
    snapshot: RoutingSnapshot


def find(rt: Runtime, word: str) -> list[UUID]:
    """Return up to `SEVERAL` messages whose id has this prefix; ConfigurationError: not a prefix of an id."""
    digits = word.replace("-", "").lower()
    if not re.fullmatch("[0-9a-f]{4,32}", digits):
        raise ConfigurationError(f"{word!r} is no message id, nor the first 4 digits or more of one")
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    with rt.begin() as conn:
        return operator_reports.beginning(conn, low, high, SEVERAL)


def explain(rt: Runtime, wanted: UUID) -> Explained | None:
    """Return each choice of a carrier for a message, as far as it is stored; None: there is no such message."""
    with rt.begin() as conn:
        message = operator_reports.message(conn, wanted, None)
        if message is None:
            return None
        tries = operator_reports.attempts(conn, wanted)
        passed = operator_reports.batches(conn, sorted({each["batch_id"] for each in tries} | {message["batch_id"]}))
        kept = routing_snapshot.read(conn, {each["routing_snapshot_id"] for each in passed} - {None})
        reports = operator_reports.receipts(conn, wanted)
    ask = _ask(message)
    choices = [
        _choice_lines(
            batch,
            kept.get(batch["routing_snapshot_id"]),
            ask,
            [each for each in tries if each["batch_id"] == batch["id"]],
        )
        for batch in sorted(passed, key=lambda batch: (batch["created_at"], batch["id"]))
    ]
    return Explained(message, choices, reports)


def _ask(message: Row) -> RouteQuery:
    encoding = Encoding(message["encoding"]) if message["encoding"] else segments.encoding(message["body"])
    return RouteQuery(message["phone"], message["country"], message["sender"], encoding)


def _choice_lines(
    batch: Row, snapshot: RoutingSnapshot | None, ask: RouteQuery, attempts: list[Row]
) -> ExplainedChoice:
    return ExplainedChoice(
        at=batch["created_at"],
        carrier=batch["carrier"],
        attempt=batch["attempt"],
        round=batch["round"],
        tried=list(batch["tried"]),
        resend_reason=batch["resend_reason"],
        decision=None if snapshot is None else decide(snapshot, ask, batch["tried"]),
        snapshot=snapshot,
        attempts=attempts,
    )


def foresee(rt: Runtime, account: str, to: str, sender: str, text: str, country: str | None = None) -> ForeseenRoute:
    """Return the route that a message would take now; ConfigurationError: invalid number; NotFound: no such account.

    `country` (ISO 3166) is where a number without a plus is dialled.
    """
    [number] = phones.normalise([to], country)
    if number is None:
        raise ConfigurationError(phones.phone_fault(to, country))
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id
        table = routing_snapshot.choices(conn, rt.snapshots, [owner], rt.unhealthy())[owner].table
    ask = RouteQuery(number.e164, number.country, sender, segments.encoding(text))
    return ForeseenRoute(account, ask, table.decide(ask), table.snapshot)
