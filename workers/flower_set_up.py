"""Sets up Flower for this installation: every queue on its broker page, and its metrics behind its login.

Flower itself lists the queues of workers that answer it, so those of a carrier whose worker is away are missing.
"""

import logging
import time
from collections.abc import Callable

from flower.views import BaseHandler
from flower.views.monitor import Metrics
from tornado.web import authenticated

from pipeline.errors import PostroadError
from pipeline.runtime import Runtime, Work
from pipeline.stages.carrier_placement import all_placements
from schema.vocabulary import Placement
from workers.queues import QUEUES, own_queues
from workers.server_urls import with_local_servers

log = logging.getLogger(__name__)

#: seconds for which the carriers are cached: a page and its plots ask at once, and each read holds up Flower
_FRESH = 5.0


class QueueNames:
    """The names of the queues there are: those of the installation, and those of its carriers."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._rt: Runtime | None = None
        self._carriers: set[str] = set()
        self._read_at = float("-inf")

    def current(self) -> set[str]:
        """Return the names; while the database does not answer, with the carriers that were known before."""
        if time.monotonic() - self._read_at > _FRESH:
            try:
                self._carriers = self._read()
            except PostroadError as fault:
                log.warning("the carriers' queues cannot be read: %s", fault)
            self._read_at = time.monotonic()
        return {queue.name for queue in QUEUES} | self._carriers

    def _read(self) -> set[str]:
        self._rt = self._rt or Runtime(with_local_servers(), deadlines=Work.METRICS.value)
        placements = all_placements(self._rt).items()
        owners = [(carrier, placement) for carrier, placement in placements if placement is not Placement.SHARED]
        return {queue.name for carrier, placement in owners for queue in own_queues(carrier, placement)}


def adjust_pages() -> None:
    """Have Flower's pages and API list every queue, and ask for the password also at `/metrics`."""
    names = QueueNames()
    listed: Callable[[BaseHandler], list[str]] = BaseHandler.get_active_queue_names

    def all_queue_names(handler: BaseHandler) -> list[str]:
        answering = listed(handler) if handler.application.workers else []
        return sorted(names.current().union(answering))

    BaseHandler.get_active_queue_names = all_queue_names
    Metrics.get = authenticated(Metrics.get)
