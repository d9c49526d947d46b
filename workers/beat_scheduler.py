"""A Celery beat scheduler without a state file: entries with long intervals also run soon after its start."""

from datetime import timedelta
from typing import Any

from celery.beat import Scheduler

#: time after start within which every entry has run once: the hourly work is done even if beat restarts often
_SOON = timedelta(minutes=1)


class StatelessScheduler(Scheduler):
    """A schedule in memory: no file of last runs is needed, because each tick is safe to run twice."""

    def setup_schedule(self) -> None:
        """Set up the schedule so that every entry first runs soon."""
        super().setup_schedule()
        for entry in self.schedule.values():
            interval: Any = entry.schedule
            entry.last_run_at = entry.default_now() - max(interval.run_every - _SOON, timedelta())
