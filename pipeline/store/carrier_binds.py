"""The carrier_binds table: SMPP binds of each carrier, as reported periodically by the process that keeps them."""

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
    """Write the report of a carrier's binds by the process on that host."""
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
    """The latest report of a carrier's binds by one host's process."""

    host: str
    bound: int
    wanted: int
    #: the error code of the last failed bind
    fault: str | None
    #: peculiarities of the SMSC, as code → count since the process started
    remarks: Mapping[str, int]
    at: datetime
    #: whether it is recent: the process reports every minute while it runs
    is_fresh: bool


_ALL = """
SELECT carrier, host, bound, wanted, fault, remarks, at, at > now() - %(fresh)s * interval '1 second'
FROM carrier_binds ORDER BY carrier, host
"""


#: seconds after which a report is stale: a running process writes one every minute
_FRESH = 150.0


def all_of(conn: Connection) -> dict[str, list[HostBinds]]:
    """Return carrier → the latest reports of its binds; stale ones are not fresh."""
    found: dict[str, list[HostBinds]] = {}
    for carrier, *columns in conn.exec_driver_sql(_ALL, {"fresh": _FRESH}):
        found.setdefault(carrier, []).append(HostBinds(*columns))
    return found


_PRUNE = "DELETE FROM carrier_binds WHERE at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: float) -> None:
    """Delete reports older than `days` days: their process is gone."""
    conn.exec_driver_sql(_PRUNE, {"days": days})
