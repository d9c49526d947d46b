"""Waits until requests are processed and their messages have left the queue."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.admin.request_progress import Progress, progress
from schema.vocabulary import Status

#: seconds between two polls, and their greatest value
_PAUSE = 0.1
_LONGEST_PAUSE = 1.0


@dataclass(slots=True)
class Waited:
    """The state at the end of the wait."""

    progress: dict[UUID, Progress] = field(default_factory=dict)
    #: requests that no worker has read, or with messages still queued
    unfinished: set[UUID] = field(default_factory=set)

    @property
    def statuses(self) -> dict[str, int]:
        """Messages by public status, refused recipients as `refused`."""
        counts: dict[str, int] = {}
        for each in self.progress.values():
            for status, messages in [*each.statuses.items(), *([("refused", each.refused)] if each.refused else [])]:
                counts[status] = counts.get(status, 0) + messages
        return counts


def wait(
    rt: Runtime,
    requests: Collection[UUID],
    *,
    timeout: float,
    open_in: Callable[[Progress], int] | None = None,
    seen: Callable[[int], object] = lambda _: None,
) -> Waited:
    """Wait until no message of the requests is queued; return the state then, or after `timeout` seconds without a
    change. `seen` gets the number of finished recipients; `open_in` counts what to wait for, by default the queued.
    """
    waited = Waited(unfinished=set(requests))
    waiting_for = open_in or queued
    pause, changed, through = _PAUSE, time.monotonic(), 0
    while True:
        for request, found in progress(rt, waited.unfinished).items():
            waited.progress[request] = found
            if not waiting_for(found):
                waited.unfinished.discard(request)
        before, through = through, sum(each.recipients - waiting_for(each) for each in waited.progress.values())
        seen(through)
        now = time.monotonic()
        changed, pause = (now, _PAUSE) if through != before else (changed, min(pause * 1.3, _LONGEST_PAUSE))
        if not waited.unfinished or now - changed > timeout:
            return waited
        time.sleep(pause)


def queued(found: Progress) -> int:
    """Return how many messages of a request are still queued."""
    return found.statuses.get(Status.QUEUED, 0)
