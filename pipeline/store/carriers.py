"""The carriers and routes tables: who can carry, and for which destinations."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from pipeline.rules.routes import Route
from schema.vocabulary import CarrierState


@dataclass(frozen=True, slots=True)
class CarrierRow:
    """How to reach a carrier."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    state: CarrierState


_ALL = "SELECT name, kind, settings, state FROM carriers ORDER BY name"


def all_of(conn: Connection) -> list[CarrierRow]:
    """Return every carrier by name."""
    return [
        CarrierRow(name, kind, found, CarrierState(state)) for name, kind, found, state in conn.exec_driver_sql(_ALL)
    ]


_SAVE = """
INSERT INTO carriers (name, kind, settings) VALUES (%(name)s, %(kind)s, %(settings)s::jsonb)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, settings = excluded.settings
"""


def save(conn: Connection, name: str, kind: str, settings: Mapping[str, Any]) -> None:
    """Write a carrier, or its new settings."""
    conn.exec_driver_sql(_SAVE, {"name": name, "kind": kind, "settings": json.dumps(dict(settings))})


_SET_STATE = "UPDATE carriers SET state = %(state)s WHERE name = %(name)s"


def set_state(conn: Connection, name: str, state: CarrierState) -> bool:
    """Pause or resume a carrier; False when there is none of that name."""
    return conn.exec_driver_sql(_SET_STATE, {"name": name, "state": str(state)}).rowcount > 0


_ROUTES = """
SELECT wanted.id, r.destination, r.carrier, r.rank, r.weight, r.account_id IS NOT NULL
FROM unnest(%(accounts)s::int4[]) AS wanted (id)
JOIN routes AS r ON r.account_id = wanted.id OR r.account_id IS NULL
JOIN carriers AS c ON c.name = r.carrier AND c.state = 'active'
WHERE r.from_at <= now() AND coalesce(r.until_at, 'infinity') > now()
"""


def routes(conn: Connection, accounts: Collection[int]) -> dict[int, list[Route]]:
    """Return the routes open to each account now: those of active carriers."""
    found: defaultdict[int, list[Route]] = defaultdict(list)
    for account, destination, carrier, rank, weight, own in conn.exec_driver_sql(_ROUTES, {"accounts": list(accounts)}):
        found[account].append(Route(destination, carrier, rank, weight, own))
    return dict(found)


_SET_ROUTE = """
WITH ended AS (
    UPDATE routes SET until_at = now()
    WHERE account_id IS NOT DISTINCT FROM %(account)s::int4 AND destination = %(destination)s AND carrier = %(carrier)s
      AND from_at < now() AND coalesce(until_at, 'infinity') > now()
)
INSERT INTO routes (account_id, destination, carrier, rank, weight)
VALUES (%(account)s, %(destination)s, %(carrier)s, %(rank)s, %(weight)s)
ON CONFLICT (account_id, destination, carrier, from_at)
DO UPDATE SET rank = excluded.rank, weight = excluded.weight, until_at = NULL
"""


def set_route(
    conn: Connection, destination: str, carrier: str, *, rank: int = 1, weight: int = 100, account: int | None = None
) -> None:
    """Write a line of the route table, or its new rank and weight."""
    params = {"account": account, "destination": destination, "carrier": carrier, "rank": rank, "weight": weight}
    conn.exec_driver_sql(_SET_ROUTE, params)


_DROP_ROUTE = """
UPDATE routes SET until_at = now()
WHERE destination = %(destination)s AND carrier = %(carrier)s AND account_id IS NOT DISTINCT FROM %(account)s::int4
  AND coalesce(until_at, 'infinity') > now()
"""


def drop_route(conn: Connection, destination: str, carrier: str, account: int | None) -> bool:
    """Take a line out of the route table; False when it is not there."""
    params = {"account": account, "destination": destination, "carrier": carrier}
    return conn.exec_driver_sql(_DROP_ROUTE, params).rowcount > 0


_LIST_ROUTES = """
SELECT a.name AS account, r.destination, r.carrier, r.rank, r.weight, c.state
FROM routes AS r JOIN carriers AS c ON c.name = r.carrier LEFT JOIN accounts AS a ON a.id = r.account_id
WHERE coalesce(r.until_at, 'infinity') > now()
ORDER BY a.name NULLS FIRST, r.destination, r.rank, r.carrier
"""


def list_routes(conn: Connection) -> list[dict[str, Any]]:
    """Return every route with its carrier's state, the common ones (account None) first."""
    return [dict(row) for row in conn.exec_driver_sql(_LIST_ROUTES).mappings()]
