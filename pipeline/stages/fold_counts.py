"""Fold the counted status changes into their sums by minute and by day."""

from pipeline.runtime import Runtime
from pipeline.store import advisory_locks, status_counts

#: changes folded in one transaction
PORTION = 20_000


def fold_counts(rt: Runtime) -> int:
    """Fold up to a portion of changes; return how many. Of several concurrent calls, one folds (advisory lock)."""
    with rt.begin() as conn:
        return status_counts.fold(conn, PORTION) if advisory_locks.is_mine(conn, "fold_counts") else 0
