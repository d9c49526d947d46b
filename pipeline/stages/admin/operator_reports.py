"""Reports for operators: one message, one request, and an overview of all messages, carriers, money and batches."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import circuit_breakers, dead_letters, heartbeat, held_batches, idempotent_replays, operator_reports
from pipeline.store.circuit_breakers import BreakerState

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageReport:
    """A message with its attempts, receipts and batches."""

    message: Row
    attempts: list[Row]
    receipts: list[Row]
    batches: list[Row]


@dataclass(frozen=True, slots=True)
class RequestResult:
    """A request with its messages."""

    #: with `repeats` if it repeated an earlier request under its key: that one's id, and `messages` are that one's
    request: Row
    messages: list[Row]


@dataclass(frozen=True, slots=True)
class Clock:
    """When a worker last handled a tick of Celery beat."""

    #: whether that is known: Valkey is configured and available
    is_known: bool
    ticked_at: datetime | None
    #: seconds since then
    age: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of messages by status and carrier, with money, waiting batches, open breakers and dead letters."""

    statuses: list[Row]
    carriers: list[Row]
    money: list[Row]
    waiting: list[Row]
    #: those that are held, by reason and account
    held: list[Row]
    #: open breakers; empty while Valkey is unavailable, when every carrier counts as healthy
    ill: list[BreakerState]
    #: number of dead letters since ever, by source, origin and reason
    set_aside: list[Row]
    clock: Clock


def report_of(rt: Runtime, wanted: UUID, account: str | None = None) -> MessageReport | RequestResult | None:
    """Return the message or request of this id, with all that is known of it; None: there is none (of that account)."""
    with rt.begin() as conn:
        message = operator_reports.message(conn, wanted, account)
        if message:
            tries = operator_reports.attempts(conn, wanted)
            passed = {each["batch_id"] for each in tries} | {message["batch_id"]}
            return MessageReport(
                message, tries, operator_reports.receipts(conn, wanted), operator_reports.batches(conn, sorted(passed))
            )
        request = operator_reports.request(conn, wanted, account)
        if request is None:
            return None
        first, recipients = request["first_message"], request["recipients"]
        if not request["accepted"] and not request["refusals"]:
            request["repeats"] = idempotent_replays.originals(conn, [(wanted, first, recipients)]).get(wanted)
        whose = request.get("repeats") or wanted
        found = operator_reports.messages_of(conn, whose, first, ids.after(first, max(recipients - 1, 0)))
        return RequestResult(request | {"accepted": len(found)} if whose != wanted else request, found)


def overview_of(rt: Runtime, since: datetime) -> Overview:
    """Return counts by status and carrier of the messages accepted since then, and all money and waiting batches."""
    edge, ill = ids.new_ids(since, 0), circuit_breakers.open_states(rt.valkey)
    with rt.begin() as conn:
        return Overview(
            operator_reports.by_status(conn, edge),
            operator_reports.by_carrier(conn, edge),
            operator_reports.money(conn),
            operator_reports.waiting(conn),
            held_batches.held(conn),
            ill or [],
            dead_letters.counts(conn),
            _clock(rt),
        )


def _clock(rt: Runtime) -> Clock:
    is_known, ticked_at = heartbeat.last(rt.valkey)
    return Clock(is_known, ticked_at, (rt.now() - ticked_at).total_seconds() if ticked_at else None)
