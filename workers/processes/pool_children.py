"""The children of a worker: one that died is missed within a second.

Celery hears of a death a moment before the child can be waited for, and looks again after five seconds only: as
long a killed child's task stays where it is, and its place empty.
"""

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool

#: seconds between two looks at whether all children live
_LOOK = 1.0


class PoolChildren(AsynPool):
    """Celery's pool of processes, which looks after them more often."""

    @property
    def timers(self) -> dict[object, float]:
        """Return what is done how often."""
        return {self.maintain_pool: _LOOK}


class WatchedPool(TaskPool):
    """What a worker makes of `worker_pool`."""

    Pool = PoolChildren
