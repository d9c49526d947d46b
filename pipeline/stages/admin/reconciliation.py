"""Reconcile: hold what carriers say they took against what we recorded."""

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
    """Where two records of the same traffic differ."""

    #: messages the carriers took
    taken: int
    #: taken, and we have no attempt of it
    unheard: int
    #: recorded as accepted, and the carrier does not know it
    unfounded: int
    #: messages taken more than once
    doubled: int
    #: of those: without an attempt that says `unknown`, or that it was made once more
    unflagged: int

    @property
    def sound(self) -> bool:
        """Whether each acceptance has its attempt, and nobody got anything twice without our saying so."""
        return not (self.unheard or self.unfounded or self.unflagged)


def reconcile(
    rt: Runtime, taken: Sequence[CarrierRecord], carriers: Collection[str], since: datetime
) -> RecordDifference:
    """Compare what these carriers say they took since then with the attempts recorded of messages made since then."""
    with rt.begin() as conn:
        return RecordDifference(
            len(taken), *reconciliation.compare(conn, taken, sorted(carriers), ids.new_ids(since, 0))
        )
