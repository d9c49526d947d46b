"""The carriers and routes tables: settings, state, pace and balance of carriers; the route table and its versions."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from pipeline.rules.routing import dlt
from schema.routing import Capability
from schema.vocabulary import CarrierState


@dataclass(frozen=True, slots=True)
class CarrierRow:
    """A carrier with its settings."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    state: CarrierState
    #: capability → False where it lacks it
    capabilities: Mapping[str, bool]
    #: the reason why it is drained
    reason: str | None = None
    #: segments per second that it takes from all our processes together; None: unlimited
    segments_per_second: float | None = None
    #: seconds within which its receipts arrive, as measured
    receipt_seconds: float | None = None
    #: the balance that it reported, and when
    balance: str | None = None
    balance_at: datetime | None = None
    #: whether it sends the DLT ids of its settings to India, or needs none
    sends_dlt: bool = False

    @property
    def lacks(self) -> frozenset[Capability]:
        """Return the capabilities that it lacks."""
        return dlt.lacks(self.sends_dlt, self.capabilities)


_ALL = """
SELECT name, kind, settings, state, capabilities, reason, segments_per_second, receipt_seconds, balance, balance_at,
       sends_dlt
FROM carriers ORDER BY name
"""


def all_of(conn: Connection) -> list[CarrierRow]:
    """Return all carriers, ordered by name."""
    return [
        CarrierRow(name, kind, found, CarrierState(state), *others)
        for name, kind, found, state, *others in conn.exec_driver_sql(_ALL)
    ]


_SAVE = """
INSERT INTO carriers (name, kind, settings, capabilities, segments_per_second, sends_dlt)
VALUES (%(name)s, %(kind)s, %(settings)s::jsonb, coalesce(%(capabilities)s::jsonb, '{}'), nullif(%(pace)s::float8, 0),
        %(sends_dlt)s)
ON CONFLICT (name) DO UPDATE
SET kind = excluded.kind, settings = excluded.settings, sends_dlt = excluded.sends_dlt,
    capabilities = coalesce(%(capabilities)s::jsonb, carriers.capabilities),
    segments_per_second = CASE WHEN %(pace)s::float8 IS NULL THEN carriers.segments_per_second
                               ELSE excluded.segments_per_second END
"""


def save(
    conn: Connection,
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    capabilities: Mapping[Capability, bool] | None = None,
    pace: float | None = None,
    *,
    sends_dlt: bool = False,
) -> None:
    """Insert a carrier or replace its settings. `capabilities` None: unchanged, and a new carrier has all.

    `pace` is segments per second; 0: unlimited, None: unchanged. `sends_dlt`: see `CarrierRow`.
    """
    params = {"name": name, "kind": kind, "settings": json.dumps(dict(settings)), "sends_dlt": sends_dlt}
    conn.exec_driver_sql(_SAVE, params | _limits(capabilities, pace))


_ADJUST = """
UPDATE carriers
SET capabilities = coalesce(%(capabilities)s::jsonb, capabilities),
    segments_per_second = CASE WHEN %(pace)s::float8 IS NULL THEN segments_per_second
                               ELSE nullif(%(pace)s::float8, 0) END
WHERE name = %(name)s
"""


def adjust(conn: Connection, name: str, capabilities: Mapping[Capability, bool] | None, pace: float | None) -> bool:
    """Set a carrier's capabilities and pace, as `save` does; return False when there is no carrier of that name."""
    return conn.exec_driver_sql(_ADJUST, {"name": name, **_limits(capabilities, pace)}).rowcount > 0


def _limits(capabilities: Mapping[Capability, bool] | None, pace: float | None) -> dict[str, Any]:
    return {"capabilities": None if capabilities is None else json.dumps(dict(capabilities)), "pace": pace}


#: also changes an active carrier: resuming one says that what its held batches wait for is fixed
_SET_STATE = """
UPDATE carriers SET state = %(state)s, reason = %(reason)s, changed_at = clock_timestamp() WHERE name = %(name)s
"""


def set_state(conn: Connection, name: str, state: CarrierState, reason: str | None = None) -> bool:
    """Drain or resume a carrier; return False when there is none of that name."""
    params = {"name": name, "state": str(state), "reason": reason}
    return conn.exec_driver_sql(_SET_STATE, params).rowcount > 0


_LOCK = "SELECT state, reason FROM carriers WHERE name = %(name)s FOR UPDATE"


def lock(conn: Connection, name: str) -> tuple[CarrierState, str | None] | None:
    """Return and lock a carrier's state and its reason; None when there is none of that name."""
    row = conn.exec_driver_sql(_LOCK, {"name": name}).first()
    return (CarrierState(row.state), row.reason) if row else None


_BALANCE = "UPDATE carriers SET balance = %(balance)s, balance_at = now() WHERE name = %(name)s"


def set_balance(conn: Connection, name: str, balance: str) -> None:
    """Write the balance that a carrier reported."""
    conn.exec_driver_sql(_BALANCE, {"name": name, "balance": balance})


# Routes --------------------------------------------------------------------------------------------------------

#: serializes two operators: the second sees what the first wrote
_LOCK_ROUTES = "LOCK TABLE routes IN SHARE ROW EXCLUSIVE MODE"
_OF_LINE = (
    "account_id IS NOT DISTINCT FROM %(account)s::int4 AND destination = %(destination)s AND carrier = %(carrier)s"
)
_SET_ROUTE = f"""
WITH begins AS MATERIALIZED (
    SELECT coalesce(%(from_at)s::timestamptz, clock_timestamp()) AS at
), following AS (
    SELECT min(from_at) AS at FROM routes, begins WHERE {_OF_LINE} AND from_at > begins.at
), same AS (
    SELECT FROM routes, begins, following
    WHERE {_OF_LINE} AND from_at <= begins.at AND coalesce(until_at, 'infinity') > begins.at
      AND (rank, weight, cost, currency, until_at) IS NOT DISTINCT FROM
          (%(rank)s::int2, %(weight)s::int2, %(cost)s::int8, %(currency)s::text,
           least(%(until_at)s::timestamptz, following.at))
), ended AS (
    UPDATE routes SET until_at = begins.at FROM begins
    WHERE {_OF_LINE} AND from_at < begins.at AND coalesce(until_at, 'infinity') > begins.at
      AND NOT EXISTS (SELECT FROM same)
)
INSERT INTO routes (account_id, destination, carrier, rank, weight, cost, currency, from_at, until_at)
SELECT %(account)s, %(destination)s, %(carrier)s, %(rank)s, %(weight)s, %(cost)s, %(currency)s, begins.at,
       least(%(until_at)s::timestamptz, following.at)
FROM begins, following WHERE NOT EXISTS (SELECT FROM same)
ON CONFLICT (account_id, destination, carrier, from_at)
DO UPDATE SET rank = excluded.rank, weight = excluded.weight, cost = excluded.cost, currency = excluded.currency,
              until_at = excluded.until_at
"""


@dataclass(frozen=True, slots=True)
class RouteVersion:
    """A version of a line of the route table, with its period."""

    rank: int = 1
    weight: int = 100
    #: cost per segment in millionths of the currency
    cost: int | None = None
    currency: str | None = None
    #: start; None: now, by the database's clock
    from_at: datetime | None = None
    #: end; None: until the next version, or unlimited
    until_at: datetime | None = None


def set_route(
    conn: Connection,
    destination: str,
    carrier: str,
    version: RouteVersion | None = None,
    *,
    rank: int = 1,
    weight: int = 100,
    account: int | None = None,
) -> None:
    """Write a line of the route table, or a new version of it, which ends the previous one.

    Writes nothing when the version in force is equal.
    """
    version = version or RouteVersion(rank, weight)
    conn.exec_driver_sql(_LOCK_ROUTES)
    conn.exec_driver_sql(
        _SET_ROUTE, {"account": account, "destination": destination, "carrier": carrier, **asdict(version)}
    )


_DROP_ROUTE = f"""
UPDATE routes SET until_at = clock_timestamp()
WHERE {_OF_LINE} AND from_at <= clock_timestamp() AND coalesce(until_at, 'infinity') > clock_timestamp()
"""
_FORGET_ROUTE = f"DELETE FROM routes WHERE {_OF_LINE} AND from_at > clock_timestamp()"


def drop_route(conn: Connection, destination: str, carrier: str, account: int | None) -> bool:
    """End a line of the route table now and delete its future versions; return False when there is none."""
    params = {"account": account, "destination": destination, "carrier": carrier}
    conn.exec_driver_sql(_LOCK_ROUTES)
    ended, forgotten = (conn.exec_driver_sql(each, params).rowcount for each in (_DROP_ROUTE, _FORGET_ROUTE))
    return ended + forgotten > 0


_LIST_ROUTES = """
SELECT a.name AS account, r.destination, r.carrier, r.rank, r.weight, r.cost, r.currency, r.from_at, r.until_at,
       CASE WHEN r.until_at <= now() THEN 'over' WHEN r.from_at > now() THEN 'to come' ELSE 'in force' END AS stands,
       c.state
FROM routes AS r JOIN carriers AS c ON c.name = r.carrier LEFT JOIN accounts AS a ON a.id = r.account_id
WHERE %(all)s OR coalesce(r.until_at, 'infinity') > now()
ORDER BY a.name NULLS FIRST, r.destination, r.rank, r.carrier, r.from_at
"""


def list_routes(conn: Connection, *, over: bool = False) -> list[dict[str, Any]]:
    """Return current and future routes, with `over` past ones too; common ones (account None) first."""
    return [dict(row) for row in conn.exec_driver_sql(_LIST_ROUTES, {"all": over}).mappings()]


# OFFSET 0: all are read by one plan, whatever the planner thinks of the conditions
_SOME_ROUTES = f"""
WITH listed AS (
    SELECT row_number() OVER () AS place, r.* FROM ({_LIST_ROUTES} OFFSET 0) AS r
    WHERE starts_with(destination, %(destination)s) AND (carrier = %(carrier)s OR %(carrier)s::text IS NULL)
)
SELECT *, (SELECT count(*) FROM listed) AS found FROM listed ORDER BY place LIMIT %(limit)s
"""


def some_routes(
    conn: Connection, destination: str, carrier: str | None, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return up to `limit` current and future routes, and how many further ones there are.

    `destination`: what their destination begins with; `carrier`: None: any.
    """
    params = {"all": False, "destination": destination, "carrier": carrier, "limit": limit}
    rows = [dict(row) for row in conn.exec_driver_sql(_SOME_ROUTES, params).mappings()]
    return rows, rows[0]["found"] - len(rows) if rows else 0
