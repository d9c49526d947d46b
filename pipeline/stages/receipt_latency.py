"""Receipt latency: measure within how many seconds each carrier's receipts arrive, to detect missing receipts."""

from datetime import timedelta

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import advisory_locks, missing_receipts
from pipeline.store.missing_receipts import Sample

#: maximum age of the receipts and of their messages that are measured
_RECEIPTS, _MESSAGES = timedelta(hours=2), timedelta(days=2)
_SAMPLE = Sample(fewest=50, size=1000, strange=10, latest=100)
#: minimum latency that is stored, in seconds
_LEAST = 10.0


def measure_receipt_latency(rt: Runtime) -> None:
    """Measure and store the receipt latency of each carrier in seconds, from recent receipts."""
    with rt.begin() as conn:
        if advisory_locks.is_mine(conn, "receipt latency"):
            since, recent = ids.lowest(rt.now() - _RECEIPTS), ids.lowest(rt.now() - _MESSAGES)
            missing_receipts.measure(conn, since, recent, least=_LEAST, sample=_SAMPLE)
