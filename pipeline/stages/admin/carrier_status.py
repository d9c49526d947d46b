"""Examine: tell how carriers are: whether they are given anything, are ill, keep up, and pay out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.carriers import registry
from pipeline.carriers.smpp.diagnostics import HINTS, REMARKS
from pipeline.errors import NotFound
from pipeline.runtime import Connection, Runtime
from pipeline.store import carrier_binds, carriers, dead_letters, health
from pipeline.store.carrier_activity import CarrierActivity, Waiting, activity
from pipeline.store.carrier_binds import HostBinds
from pipeline.store.health import BreakerState
from schema.vocabulary import BatchStatus, CarrierState, DeadLetterSource, HoldReason, Outcome, ReceiptVerdict

#: where what carriers say comes in
_OF_CARRIERS = frozenset({DeadLetterSource.RECEIPT, DeadLetterSource.SMPP})

#: seconds after which nobody is taken to keep the binds any more: it is told every minute how they stand
FRESH = 150.0

__all__ = ["BindState", "BreakerState", "CarrierStatus", "NotFound", "Waiting", "carrier_statuses"]


@dataclass(frozen=True, slots=True)
class BindState:
    """How a carrier's binds stand on one host, and what an operator can do about it."""

    host: str
    bound: int
    wanted: int
    #: why the last that failed did, as a code
    fault: str | None
    #: what that code mostly means
    hint: str | None
    #: what is odd about the other end, in words, and how often since the process began
    remarks: Mapping[str, int]
    #: when it was told, and whether that is too long ago for the process to be running
    at: datetime
    is_stale: bool


@dataclass(frozen=True, slots=True)
class CarrierStatus:
    """How one carrier is."""

    name: str
    kind: str
    state: CarrierState
    #: why it is drained
    reason: str | None
    #: its open breakers; None: Valkey is away, and it counts as well
    illnesses: list[BreakerState] | None
    #: segments a second it is given at most
    segments_per_second: float | None
    waiting: Mapping[BatchStatus, Waiting]
    #: what is held that names it as its carrier, and why
    held: Mapping[HoldReason, Waiting]
    #: how its binds stand on each host; empty where it has none, or none was ever told of
    binds: Sequence[BindState]
    outcomes: Mapping[Outcome, int]
    receipts: Mapping[ReceiptVerdict, int]
    #: receipts of which no message is known: not yet, or never
    unmatched: int
    #: settings to look at where nearly all are
    id_settings: Sequence[str]
    #: posts and reports of its that could not be read or not be understood, ever, by why
    unread: Mapping[str, int]
    #: of the time looked at
    last_receipt: datetime | None
    #: within how many seconds its receipts come, as learnt
    receipt_seconds: float | None
    balance: str | None
    balance_at: datetime | None


def _bind_state(found: HostBinds) -> BindState:
    return BindState(
        host=found.host,
        bound=found.bound,
        wanted=found.wanted,
        fault=found.fault,
        hint=HINTS.get(found.fault or ""),
        remarks={REMARKS.get(code, code): count for code, count in found.remarks.items()},
        at=found.at,
        is_stale=not found.is_fresh,
    )


def carrier_statuses(rt: Runtime, over: timedelta, name: str | None = None) -> list[CarrierStatus]:
    """Return how the carrier of that name is, or each of them; NotThere when there is none of that name.

    Outcomes and receipts are those of the last while (`over`), as far as an index tells them.
    """
    ill = health.watch(rt.valkey)
    with rt.begin() as conn:
        rows = [row for row in carriers.all_of(conn) if name in (None, row.name)]
        if name and not rows:
            raise NotFound(f"there is no carrier {name!r}: `postroad carrier list` shows them")
        found = activity(conn, rt.now() - over)
        unread = _unread(conn)
        bound = carrier_binds.all_of(conn, FRESH)
    nothing = CarrierActivity()
    return [
        CarrierStatus(
            name=row.name,
            kind=row.kind,
            state=row.state,
            reason=row.reason,
            illnesses=None if ill is None else [each for each in ill if each.word.partition("/")[0] == row.name],
            segments_per_second=row.segments_per_second,
            waiting=(did := found.get(row.name, nothing)).waiting,
            held=did.held,
            binds=[_bind_state(each) for each in bound.get(row.name, ())],
            outcomes=did.outcomes,
            receipts=did.receipts,
            unmatched=did.unmatched,
            id_settings=registry.id_settings(row.kind),
            unread=unread.get(row.name, {}),
            last_receipt=did.last_receipt,
            receipt_seconds=row.receipt_seconds,
            balance=row.balance,
            balance_at=row.balance_at,
        )
        for row in rows
    ]


def _unread(conn: Connection) -> dict[str, dict[str, int]]:
    """Return how much was set aside of what carriers said, by carrier and reason."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in dead_letters.counts(conn):
        if row["source"] in _OF_CARRIERS:
            found[row["origin"]][row["reason"]] = row["letters"]
    return found
