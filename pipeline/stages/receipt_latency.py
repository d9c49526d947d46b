"""Learn: within how long each carrier's receipts come, so that its silence can be told from its slowness."""

from datetime import timedelta

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import advisory_locks, missing_receipts
from pipeline.store.missing_receipts import Sample

#: how far back receipts are looked at, and how old their messages may be
_RECEIPTS, _MESSAGES = timedelta(hours=2), timedelta(days=2)
_SAMPLE = Sample(fewest=50, size=1000, strange=10, latest=100)
#: seconds that a carrier is given in any case
_LEAST = 10.0


def measure_receipt_latency(rt: Runtime) -> None:
    """Write within how many seconds each carrier's receipts come, by those that came lately."""
    with rt.begin() as conn:
        if advisory_locks.is_mine(conn, "learn"):
            since, recent = ids.lowest(rt.now() - _RECEIPTS), ids.lowest(rt.now() - _MESSAGES)
            missing_receipts.measure(conn, since, recent, least=_LEAST, sample=_SAMPLE)
