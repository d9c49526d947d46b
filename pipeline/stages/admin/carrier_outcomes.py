"""What one carrier did lately, for operators: outcomes by its codes, and how long its receipts took."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline.runtime import Runtime
from pipeline.store import carrier_outcomes as store
from pipeline.store.carrier_outcomes import CodeCount, ReceiptDelays

#: most outcomes and codes that are told apart
_CODES = 30
#: how many of the latest receipts are measured, and how old their messages may be
_RECEIPTS, _MESSAGES = 500, timedelta(days=2)

__all__ = ["CarrierOutcomes", "CodeCount", "ReceiptDelays", "outcomes_of"]


@dataclass(frozen=True, slots=True)
class CarrierOutcomes:
    """Outcomes of a carrier's recent attempts, and the delays of its recent receipts."""

    #: the most frequent first
    codes: list[CodeCount]
    #: None: no receipt of a known message arrived
    delays: ReceiptDelays | None


def outcomes_of(rt: Runtime, carrier: str, over: timedelta) -> CarrierOutcomes:
    """Return the outcomes and receipt delays of a carrier over the last `over`."""
    now = rt.now()
    with rt.read_only() as conn:
        return CarrierOutcomes(
            store.by_code(conn, carrier, now - over, _CODES),
            store.receipt_delays(conn, carrier, now - over, now - _MESSAGES, _RECEIPTS),
        )
