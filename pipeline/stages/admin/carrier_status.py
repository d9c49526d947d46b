"""Status of carriers for operators: state, open breakers, queues, binds, outcomes, receipts and balance."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.carriers import registry
from pipeline.carriers.smpp.diagnostics import HINTS, REMARKS
from pipeline.errors import NotFound
from pipeline.runtime import Connection, Runtime
from pipeline.store import carrier_binds, carriers, circuit_breakers, dead_letters
from pipeline.store.carrier_activity import CarrierActivity, Waiting, activity
from pipeline.store.carrier_binds import HostBinds
from pipeline.store.circuit_breakers import BreakerState
from schema.vocabulary import BatchStatus, CarrierState, DeadLetterSource, HoldReason, Outcome, ReceiptVerdict

#: the sources of dead letters that come from carriers
_OF_CARRIERS = frozenset({DeadLetterSource.RECEIPT, DeadLetterSource.SMPP})

__all__ = ["BindState", "BreakerState", "CarrierStatus", "NotFound", "Waiting", "carrier_statuses"]


@dataclass(frozen=True, slots=True)
class BindState:
    """State of a carrier's binds on one host, with a hint of what an operator can do about a fault."""

    host: str
    bound: int
    wanted: int
    #: code of the last bind failure
    fault: str | None
    #: what that code usually means
    hint: str | None
    #: diagnostics of the SMSC's behaviour, as text, with their counts since the process started
    remarks: Mapping[str, int]
    #: when it was reported, and whether that is too long ago for the process to be running
    at: datetime
    is_stale: bool


@dataclass(frozen=True, slots=True)
class CarrierStatus:
    """Status of one carrier."""

    name: str
    kind: str
    state: CarrierState
    #: why it is drained
    reason: str | None
    #: its open breakers; None: Valkey is unavailable, so that the carrier counts as healthy
    illnesses: list[BreakerState] | None
    #: its rate limit in segments per second
    segments_per_second: float | None
    waiting: Mapping[BatchStatus, Waiting]
    #: its held batches, by the reason of the hold
    held: Mapping[HoldReason, Waiting]
    #: its binds on each host; empty if it has none, or none was ever reported
    binds: Sequence[BindState]
    outcomes: Mapping[Outcome, int]
    receipts: Mapping[ReceiptVerdict, int]
    #: receipts that match no message, yet or ever
    unmatched: int
    #: the settings to check when nearly all receipts are unmatched
    id_settings: Sequence[str]
    #: number of its requests and reports that became dead letters, since ever, by reason
    unread: Mapping[str, int]
    #: within the period looked at
    last_receipt: datetime | None
    #: within how many seconds its receipts arrive, as measured
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
    """Return the status of the carrier of that name, or of every carrier (None); NotFound.

    Outcomes and receipts are counted over the last `over`, as far as they can be read from an index.
    """
    ill = circuit_breakers.open_states(rt.valkey)
    with rt.begin() as conn:
        rows = [row for row in carriers.all_of(conn) if name in (None, row.name)]
        if name and not rows:
            raise NotFound(f"there is no carrier {name!r}: `postroad carrier list` shows them")
        found = activity(conn, rt.now() - over)
        unread = _unread(conn)
        bound = carrier_binds.all_of(conn)
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
    """Return the number of dead letters from carriers, by carrier and reason."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in dead_letters.counts(conn):
        if row["source"] in _OF_CARRIERS:
            found[row["origin"]][row["reason"]] = row["letters"]
    return found
