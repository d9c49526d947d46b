"""Reconciliation: compare carriers' records of accepted messages with the attempts that we recorded."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import reconciliation
from pipeline.store.reconciliation import CarrierRecord

__all__ = ["CarrierRecord", "RecordDifference", "reconcile"]


@dataclass(frozen=True, slots=True)
class RecordDifference:
    """Counts of the differences between carriers' records and ours."""

    #: messages that the carriers accepted
    taken: int
    #: accepted by a carrier without an attempt recorded here
    unrecorded: int
    #: recorded as accepted, but unknown to the carrier
    unreported: int
    #: messages accepted more than once
    duplicates: int
    #: of those: without an attempt that is `unknown` or a resend
    unflagged: int

    @property
    def sound(self) -> bool:
        """Return whether each acceptance has its attempt, and each duplicate is flagged as a possible one."""
        return not (self.unrecorded or self.unreported or self.unflagged)


def reconcile(
    rt: Runtime, taken: Sequence[CarrierRecord], carriers: Collection[str], since: datetime
) -> RecordDifference:
    """Compare the carriers' records since then with the recorded attempts of messages created since then."""
    with rt.begin() as conn:
        return RecordDifference(
            len(taken), *reconciliation.compare(conn, taken, sorted(carriers), ids.new_ids(since, 0))
        )
