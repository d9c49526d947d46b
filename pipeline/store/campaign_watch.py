"""Watch on campaigns during delivery: which of those being sent by this process are paused or aborted meanwhile.

A portion's mark checks its campaigns in its own statement. The watch is for what is marked already: it polls while a
delivery run has batches of campaigns, so that the rest of a portion is not submitted to a slow carrier.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Condition, Thread, current_thread
from uuid import UUID

from pipeline.errors import DatabaseFault

#: seconds between two polls
EVERY = 0.25


class CampaignWatch:
    """The stopped campaigns of this process's delivery runs. Its thread lives as long as there are such runs."""

    def __init__(self, read: Callable[[Collection[UUID]], Collection[UUID]]) -> None:
        """Take the query for the stopped ones of some campaigns; it has a deadline, and may raise DatabaseFault."""
        self._read = read
        self._changed = Condition()
        #: campaign → its delivery runs
        self._runs: Counter[UUID] = Counter()
        self._stopped: frozenset[UUID] = frozenset()
        self._thread: Thread | None = None

    def is_stopped(self, campaign: UUID) -> bool:
        """Return whether nothing of a watched campaign may be submitted, as of the last poll."""
        return campaign in self._stopped

    @contextmanager
    def during(self, campaigns: Collection[UUID]) -> Iterator[None]:
        """Watch campaigns that were running a moment ago, within the `with`; without any it costs nothing."""
        if not campaigns:
            yield
            return
        with self._changed:
            self._stopped -= set(campaigns)
            self._runs.update(campaigns)
            if self._thread is None:
                self._thread = Thread(target=self._poll, name="campaign-watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._runs.subtract(campaigns)
                self._runs = +self._runs
                self._changed.notify()

    def close(self) -> None:
        """End the watch; idempotent."""
        with self._changed:
            self._runs.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(5)

    def _poll(self) -> None:
        try:
            while campaigns := self._next():
                try:
                    stopped = self._read(campaigns)
                except DatabaseFault:  # what is known so far stays
                    continue
                with self._changed:
                    self._stopped = frozenset(stopped)
        finally:
            with self._changed:
                if self._thread is current_thread():
                    self._thread = None

    def _next(self) -> list[UUID]:
        """Wait until the next poll; return the campaigns to read, none if the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._runs, EVERY)
            if not self._runs:
                self._thread, self._stopped = None, frozenset()
            return list(self._runs)
