"""Audit: check the invariants that prove that no message was lost, duplicated or charged twice."""

from dataclasses import dataclass

from pipeline.runtime import Runtime, Work
from pipeline.store import audit_findings
from pipeline.store.audit import INVARIANTS, count_broken


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, and how many rows violate it."""

    name: str
    holds: str
    broken: int


def audit(rt: Runtime) -> list[Finding]:
    """Check every invariant in one repeatable-read snapshot; return a finding for each, and store them for metrics."""
    with rt.begin(Work.MAINTENANCE) as conn:
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        at = rt.now()
        findings = [Finding(each.name, each.holds, count_broken(conn, each)) for each in INVARIANTS]
    with rt.begin() as conn:
        audit_findings.write(conn, {each.name: each.broken for each in findings}, at)
    return findings
