"""Celery's beat without a file: what it does at long intervals is also done soon after its start."""

from datetime import timedelta
from typing import Any

from celery.beat import Scheduler

#: within which everything has been done once: a beat that lives for less than an hour does the hourly work too
_SOON = timedelta(minutes=1)


class StatelessScheduler(Scheduler):
    """A schedule in memory. A file of last runs would have to be kept somewhere, and each tick is safe to run twice."""

    def setup_schedule(self) -> None:
        """Have the first run of every entry come soon."""
        super().setup_schedule()
        for entry in self.schedule.values():
            interval: Any = entry.schedule
            entry.last_run_at = entry.default_now() - max(interval.run_every - _SOON, timedelta())
