"""Waits until a request is processed and its messages have left the queue."""

import time
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.admin.request_progress import Progress, progress
from schema.vocabulary import Status

#: seconds between two polls, and their greatest value
_PAUSE = 0.1
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Waited:
    """The state at the end of the wait."""

    #: None: no worker has read the request
    progress: Progress | None

    @property
    def is_unfinished(self) -> bool:
        """Tell whether no worker has read the request, or messages are still queued."""
        return self.progress is None or _queued(self.progress) > 0

    @property
    def statuses(self) -> dict[str, int]:
        """Return messages by public status, refused recipients as `refused`."""
        if self.progress is None:
            return {}
        refused = {"refused": self.progress.refused} if self.progress.refused else {}
        return {**self.progress.statuses, **refused}


def wait(rt: Runtime, request: UUID, *, timeout: float) -> Waited:
    """Wait until no message of a request is queued; return the state then, or `timeout` seconds after a change."""
    pause, changed, before = _PAUSE, time.monotonic(), -1
    while True:
        found = Waited(progress(rt, [request]).get(request))
        through = found.progress.recipients - _queued(found.progress) if found.progress else 0
        now = time.monotonic()
        changed, pause = (now, _PAUSE) if through != before else (changed, min(pause * 1.3, _LONGEST_PAUSE))
        before = through
        if not found.is_unfinished or now - changed > timeout:
            return found
        time.sleep(pause)


def _queued(found: Progress) -> int:
    return found.statuses.get(Status.QUEUED, 0)
