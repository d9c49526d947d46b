"""Fold the counted status changes into their sums by minute and by day, and what metrics count into its totals."""

from pipeline.runtime import Runtime
from pipeline.store import advisory_locks, metric_counters, status_counts

#: changes folded in one transaction
PORTION = 20_000


def fold_counts(rt: Runtime) -> int:
    """Fold up to a portion of each; return how many of the more numerous.

    Of several concurrent calls, one folds (advisory lock).
    """
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "fold_counts"):
            return 0
        return max(metric_counters.fold(conn, PORTION), status_counts.fold(conn, PORTION))
