"""The audit_findings table: how many rows violated each invariant when the audit ran last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

_WRITE = """
WITH gone AS (DELETE FROM audit_findings WHERE NOT invariant = ANY(%(invariants)s))
INSERT INTO audit_findings (invariant, broken, checked_at)
SELECT invariant, broken, %(at)s FROM unnest(%(invariants)s::text[], %(broken)s::int8[]) AS f (invariant, broken)
ON CONFLICT (invariant) DO UPDATE SET broken = excluded.broken, checked_at = excluded.checked_at
"""


def write(conn: Connection, broken: Mapping[str, int], at: datetime) -> None:
    """Replace the findings: invariant → number of violations."""
    conn.exec_driver_sql(_WRITE, {"invariants": list(broken), "broken": list(broken.values()), "at": at})


@dataclass(frozen=True, slots=True)
class LastAudit:
    """The result of the last audit."""

    at: datetime
    #: invariants, and how many of them are violated
    invariants: int
    broken: int


_LAST = """
SELECT count(*) AS invariants, count(*) FILTER (WHERE broken > 0) AS broken, min(checked_at) AS at FROM audit_findings
"""


def last(conn: Connection) -> LastAudit | None:
    """Return the result of the last audit; None: there was none."""
    row = conn.exec_driver_sql(_LAST).one()
    return LastAudit(row.at, row.invariants, row.broken) if row.at else None
