"""Metrics snapshot: all figures that metrics export from database and Valkey, read in a few bounded queries."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.errors import DatabaseFault
from pipeline.rules.identity import ids
from pipeline.runtime import Connection, Runtime
from pipeline.store import (
    audit_findings,
    carrier_binds,
    carriers,
    circuit_breakers,
    database_capacity,
    dead_letters,
    due_messages,
    heartbeat,
    metric_counters,
    open_campaigns,
    recent_traffic,
    webhook_backlog,
)
from pipeline.store.audit_findings import LastAudit
from pipeline.store.database_capacity import PartitionedTable
from pipeline.store.due_messages import DueMessages
from pipeline.store.low_wallets import LowWallet, low_wallets
from pipeline.store.metric_counters import BUCKET_NAMES, CounterTotal
from pipeline.store.open_campaigns import CampaignRows
from pipeline.store.recent_traffic import RecentTraffic
from pipeline.store.webhook_backlog import WebhookBacklog
from schema.vocabulary import CampaignState, CarrierState, HoldReason, PauseCause

__all__ = ["BUCKET_NAMES", "DEAD_LETTERS_KEPT", "MetricsSnapshot", "ValkeyState", "read_snapshot", "read_valkey"]

#: seconds after which no further query is begun
_DEADLINE = 5.0
#: seconds after which an open breaker that no message comes to probe is no longer reported
_IDLE = 120.0
#: age of the messages whose attempts in doubt are counted: longer than a message is in doubt
_IN_DOUBT = timedelta(days=35)
#: the period of the delivery ratio, and the age of bind reports by processes that may be running
_RECENT, _BINDS = timedelta(hours=1), timedelta(hours=1)
#: campaigns whose rows are exported
_CAMPAIGNS = 20
#: tables with a partition for each day
_BY_DAY = ("messages", "provider_attempts", "campaign_rows")
#: most dead letters that are kept of each source
DEAD_LETTERS_KEPT = dead_letters.KEPT


@dataclass(frozen=True, slots=True)
class CarrierFigures:
    """A carrier's state and limits."""

    name: str
    is_active: bool
    #: segments per second; None: no limit
    limit: float | None
    #: seconds within which its receipts arrive, as measured; None: not known
    receipt_seconds: float | None
    #: binds that are up, and that should be; None: it has none
    binds: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """Figures of one moment."""

    at: datetime
    #: seconds that reading them took
    seconds: float
    totals: Sequence[CounterTotal]
    backlog: Sequence[DueMessages]
    held: Mapping[HoldReason, int]
    #: carrier → attempts
    in_doubt: Mapping[str, int]
    #: carrier → traffic of the last hour and the last full minute
    traffic: Mapping[str, RecentTraffic]
    carriers: Sequence[CarrierFigures]
    campaigns: Mapping[CampaignState, int]
    paused: Mapping[PauseCause, int]
    #: the latest that are running or paused
    campaign_rows: Sequence[CampaignRows]
    webhooks: WebhookBacklog
    #: (source, reason) → dead letters since ever; source → those that are kept
    dead_letters: Mapping[tuple[str, str], int]
    dead_letters_kept: Mapping[str, int]
    low_wallets: Sequence[LowWallet]
    #: None: there was none
    audit: LastAudit | None
    partitions: Sequence[PartitionedTable]
    today: date
    database_bytes: int


@dataclass(frozen=True, slots=True)
class ValkeyState:
    """What Valkey knows; nothing while it does not answer."""

    is_up: bool
    #: when a worker last handled a tick of beat; None: not since Valkey started
    ticked_at: datetime | None
    #: open breakers of carriers that messages are for: carrier, and country or ""
    open_breakers: frozenset[tuple[str, str]]


def read_valkey(rt: Runtime) -> ValkeyState:
    """Return the state of breakers and heartbeat; it raises nothing while Valkey is unavailable."""
    is_up, ticked_at = heartbeat.last(rt.valkey)
    states = circuit_breakers.open_states(rt.valkey) if is_up else None
    words = [each.word.partition("/") for each in states or () if each.idle_seconds < _IDLE]
    return ValkeyState(is_up, ticked_at, frozenset((carrier, country) for carrier, _, country in words))


def read_snapshot(rt: Runtime) -> MetricsSnapshot:
    """Return all figures of the database; DatabaseFault when it does not answer in time."""
    began, now = time.monotonic(), rt.now()
    minute = (now - timedelta(seconds=10)).replace(second=0, microsecond=0) - timedelta(minutes=1)

    def checked(conn: Connection) -> Connection:
        if time.monotonic() - began > _DEADLINE:
            raise DatabaseFault("the database is too slow for metrics")
        return conn

    with rt.read_only() as conn:
        letters = dead_letters.counts(checked(conn))
        return MetricsSnapshot(
            at=now,
            totals=metric_counters.totals(checked(conn)),
            backlog=due_messages.due(checked(conn), now),
            held=due_messages.held(checked(conn)),
            in_doubt=due_messages.in_doubt(checked(conn), ids.lowest(now - _IN_DOUBT)),
            traffic=recent_traffic.by_carrier(checked(conn), now - _RECENT, minute),
            carriers=_carriers(checked(conn), now),
            campaigns=open_campaigns.by_state(checked(conn)),
            paused=open_campaigns.paused(checked(conn)),
            campaign_rows=open_campaigns.latest(checked(conn), _CAMPAIGNS),
            webhooks=webhook_backlog.webhook_backlog(checked(conn)),
            dead_letters=_by_reason(letters),
            dead_letters_kept=dead_letters.kept(checked(conn)),
            low_wallets=low_wallets(checked(conn)),
            audit=audit_findings.last(checked(conn)),
            partitions=database_capacity.partitioned(checked(conn), _BY_DAY),
            today=now.date(),
            database_bytes=database_capacity.size(checked(conn)),
            seconds=time.monotonic() - began,
        )


def _carriers(conn: Connection, now: datetime) -> list[CarrierFigures]:
    reports = carrier_binds.all_of(conn)
    found = []
    for row in carriers.all_of(conn):
        recent = [each for each in reports.get(row.name, ()) if each.at > now - _BINDS]
        binds = (sum(each.bound for each in recent if each.is_fresh), sum(each.wanted for each in recent))
        found.append(
            CarrierFigures(
                row.name,
                row.state is CarrierState.ACTIVE,
                row.segments_per_second,
                row.receipt_seconds,
                binds if recent else None,
            )
        )
    return found


def _by_reason(letters: Sequence[Mapping[str, object]]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for row in letters:
        key = str(row["source"]), str(row["reason"])
        found[key] = found.get(key, 0) + int(str(row["letters"]))
    return found
