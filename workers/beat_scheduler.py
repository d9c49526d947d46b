"""A Celery beat scheduler without a state file: entries with long intervals also run soon after its start."""

from datetime import timedelta
from typing import Any

from celery.beat import Scheduler

from pipeline.settings import settings
from workers.processes.heartbeat_file import Heartbeat

#: time after start within which every entry has run once: the hourly work is done even if beat restarts often
_SOON = timedelta(minutes=1)


class StatelessScheduler(Scheduler):
    """A schedule in memory: no file of last runs is needed, because each tick is safe to run twice."""

    _heartbeat: Heartbeat | None = None

    def apply_async(self, *args: Any, **more: Any) -> Any:
        """Publish a task; the heartbeat says so. An unreachable broker raises, or blocks."""
        published = super().apply_async(*args, **more)
        self._heartbeat = self._heartbeat or Heartbeat(settings().home, "beat")
        self._heartbeat.beat()
        return published

    def setup_schedule(self) -> None:
        """Set up the schedule so that every entry first runs soon."""
        super().setup_schedule()
        for entry in self.schedule.values():
            interval: Any = entry.schedule
            entry.last_run_at = entry.default_now() - max(interval.run_every - _SOON, timedelta())
