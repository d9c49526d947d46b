"""Report: tell one message's story, what became of a request, and how the whole stands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import dead_letters, health, heartbeat, holds, overview, replays
from pipeline.store.health import BreakerState

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageReport:
    """All we know of one message."""

    message: Row
    attempts: list[Row]
    receipts: list[Row]
    batches: list[Row]


@dataclass(frozen=True, slots=True)
class RequestResult:
    """What became of one request."""

    #: with `repeats` where it asked for the same as an earlier one under its key: that one's id, and its messages below
    request: Row
    messages: list[Row]


@dataclass(frozen=True, slots=True)
class Clock:
    """When beat's ticks were taken up last."""

    #: whether anybody can tell: Valkey, where there is one and it answers
    is_known: bool
    ticked_at: datetime | None
    #: seconds since then
    age: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """How the whole stands."""

    statuses: list[Row]
    carriers: list[Row]
    money: list[Row]
    waiting: list[Row]
    #: what of it is held, why, and whose
    held: list[Row]
    #: open breakers; nothing while Valkey is away, when every carrier counts as well
    ill: list[BreakerState]
    #: what could not be read and was set aside, ever, by source, origin and reason
    set_aside: list[Row]
    clock: Clock


def tell(rt: Runtime, wanted: UUID, account: str | None = None) -> MessageReport | RequestResult | None:
    """Return the story of the message or request of this id, or None when there is none (of that account)."""
    with rt.begin() as conn:
        message = overview.message(conn, wanted, account)
        if message:
            tries = overview.attempts(conn, wanted)
            passed = {each["batch_id"] for each in tries} | {message["batch_id"]}
            return MessageReport(
                message, tries, overview.receipts(conn, wanted), overview.batches(conn, sorted(passed))
            )
        request = overview.request(conn, wanted, account)
        if request is None:
            return None
        first, recipients = request["first_message"], request["recipients"]
        if not request["accepted"] and not request["refusals"]:
            request["repeats"] = replays.originals(conn, [(wanted, first, recipients)]).get(wanted)
        whose = request.get("repeats") or wanted
        found = overview.messages_of(conn, whose, first, ids.after(first, max(recipients - 1, 0)))
        return RequestResult(request | {"accepted": len(found)} if whose != wanted else request, found)


def overview_of(rt: Runtime, since: datetime) -> Overview:
    """Return counts by status and carrier of messages accepted since then, and all money and waiting batches."""
    edge, ill = ids.new_ids(since, 0), health.watch(rt.valkey)
    with rt.begin() as conn:
        return Overview(
            overview.by_status(conn, edge),
            overview.by_carrier(conn, edge),
            overview.money(conn),
            overview.waiting(conn),
            holds.kept(conn),
            ill or [],
            dead_letters.counts(conn),
            _clock(rt),
        )


def _clock(rt: Runtime) -> Clock:
    is_known, ticked_at = heartbeat.last(rt.valkey)
    return Clock(is_known, ticked_at, (rt.now() - ticked_at).total_seconds() if ticked_at else None)
