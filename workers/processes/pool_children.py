"""Celery's prefork pool with a faster check for dead children: within a second.

Celery learns of a death just before the child can be reaped, and checks again after five seconds only: for that long a
killed child's task is not redelivered, and its slot stays empty.
"""

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool

#: seconds between two checks of the children
_CHECK = 1.0


class PoolChildren(AsynPool):
    """Celery's process pool with more frequent checks."""

    @property
    def timers(self) -> dict[object, float]:
        """Return the periodic functions and their intervals."""
        return {self.maintain_pool: _CHECK}


class WatchedPool(TaskPool):
    """The pool class for the setting `worker_pool`."""

    Pool = PoolChildren
