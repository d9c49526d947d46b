"""The networks table: number prefixes and the networks (MCC-MNC) they belong to."""

from collections.abc import Mapping

from sqlalchemy import Connection

_ALL = "SELECT prefix, network FROM networks"


def all_of(conn: Connection) -> dict[str, str]:
    """Return prefix → network (MCC-MNC)."""
    return dict(conn.exec_driver_sql(_ALL).all())


_LOCK = "LOCK TABLE networks IN SHARE ROW EXCLUSIVE MODE"
_FORGET = "DELETE FROM networks WHERE NOT prefix = ANY(%(prefixes)b)"
_WRITE = """
INSERT INTO networks (prefix, network)
SELECT prefix, network FROM unnest(%(prefixes)b::text[], %(networks)b::text[]) AS n (prefix, network)
ON CONFLICT (prefix) DO UPDATE SET network = excluded.network WHERE networks.network <> excluded.network
"""


def replace(conn: Connection, plan: Mapping[str, str]) -> None:
    """Replace the whole numbering plan."""
    prefixes = list(plan)
    conn.exec_driver_sql(_LOCK)
    conn.exec_driver_sql(_FORGET, {"prefixes": prefixes})
    conn.exec_driver_sql(_WRITE, {"prefixes": prefixes, "networks": list(plan.values())})
