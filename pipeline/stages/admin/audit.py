"""Audit: check the invariants that prove that no message was lost, duplicated or charged twice."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.runtime import Connection, Runtime, Work
from pipeline.store import advisory_locks, audit_findings
from pipeline.store.audit import INVARIANTS, Invariant, count_broken

log = logging.getLogger(__name__)

#: how much earlier an audit is due than its setting says: the clock looks every hour, and would else be an hour late
_EARLY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, and how many rows violate it."""

    name: str
    holds: str
    broken: int


def audit(rt: Runtime) -> list[Finding]:
    """Check every invariant in one repeatable-read snapshot; return a finding for each, and store them for metrics."""
    with rt.begin(Work.MAINTENANCE) as conn:
        _take_snapshot(conn)
        at, findings = rt.now(), [_checked(conn, each) for each in INVARIANTS]
    _store(rt, findings, at)
    return findings


def audit_when_due(rt: Runtime) -> list[Finding]:
    """Audit when the last audit is `audit_hours` old; return the findings, none when it is not due or not finished.

    It leaves the work to another process that is auditing, and stops between two invariants when this one is to stop.
    """
    if not rt.settings.audit_hours:
        return []
    with rt.begin(Work.AUDIT) as conn:
        _take_snapshot(conn)
        at, last = rt.now(), audit_findings.last(conn)
        is_due = last is None or at - last.at >= timedelta(hours=rt.settings.audit_hours) - _EARLY
        if not is_due or not advisory_locks.is_mine(conn, "audit"):
            return []
        findings = []
        for each in INVARIANTS:
            if rt.is_stopping():
                return []
            findings.append(_checked(conn, each))
    _store(rt, findings, at)
    for found in findings:
        if found.broken:
            log.error("the audit found %d violations of %s: %s", found.broken, found.name, found.holds)
    return findings


def _take_snapshot(conn: Connection) -> None:
    conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _checked(conn: Connection, invariant: Invariant) -> Finding:
    return Finding(invariant.name, invariant.holds, count_broken(conn, invariant))


def _store(rt: Runtime, findings: Iterable[Finding], at: datetime) -> None:
    with rt.begin() as conn:
        audit_findings.write(conn, {each.name: each.broken for each in findings}, at)
