"""Audit: check the invariants that prove that no message was lost, duplicated or charged twice."""

from dataclasses import dataclass

from pipeline.runtime import Runtime, Work
from pipeline.store.audit import INVARIANTS, count_broken


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, and how many rows violate it."""

    name: str
    holds: str
    broken: int


def audit(rt: Runtime) -> list[Finding]:
    """Check every invariant in one repeatable-read snapshot; return a finding for each."""
    with rt.begin(Work.MAINTENANCE) as conn:
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return [Finding(each.name, each.holds, count_broken(conn, each)) for each in INVARIANTS]
