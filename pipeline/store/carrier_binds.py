"""The carrier_binds table: how each carrier's binds stand, as the process that keeps them says now and then."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from schema.carriage import BindReport

_WRITE = """
INSERT INTO carrier_binds (carrier, host, bound, wanted, fault, remarks)
VALUES (%(carrier)s, %(host)s, %(bound)s, %(wanted)s, %(fault)s, %(remarks)s::jsonb)
ON CONFLICT (carrier, host) DO UPDATE
SET bound = excluded.bound, wanted = excluded.wanted, fault = excluded.fault, remarks = excluded.remarks, at = now()
"""


def write(conn: Connection, carrier: str, host: str, report: BindReport) -> None:
    """Write how a carrier's binds stand in the process on that host."""
    conn.exec_driver_sql(
        _WRITE,
        {
            "carrier": carrier,
            "host": host,
            "bound": report.bound,
            "wanted": report.wanted,
            "fault": report.fault,
            "remarks": json.dumps(dict(report.remarks)),
        },
    )


@dataclass(frozen=True, slots=True)
class HostBinds:
    """What one host's process said last of a carrier's binds."""

    host: str
    bound: int
    wanted: int
    #: why the last that failed did, as a code
    fault: str | None
    #: what is odd about the other end, as a code, and how often since the process began
    remarks: Mapping[str, int]
    at: datetime
    #: it says so every minute: the process runs
    is_fresh: bool


_ALL = """
SELECT carrier, host, bound, wanted, fault, remarks, at, at > now() - %(fresh)s * interval '1 second'
FROM carrier_binds ORDER BY carrier, host
"""


def all_of(conn: Connection, fresh: float) -> dict[str, list[HostBinds]]:
    """Return what was said of each carrier's binds, by carrier; what is older than so many seconds is not fresh."""
    found: dict[str, list[HostBinds]] = {}
    for carrier, *columns in conn.exec_driver_sql(_ALL, {"fresh": fresh}):
        found.setdefault(carrier, []).append(HostBinds(*columns))
    return found


_PRUNE = "DELETE FROM carrier_binds WHERE at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: float) -> None:
    """Forget what was said so many days ago: that process is gone."""
    conn.exec_driver_sql(_PRUNE, {"days": days})
