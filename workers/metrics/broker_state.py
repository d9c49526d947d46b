"""The state of the broker for metrics: queue depths, and which workers answer. Read by a thread, not by a scrape."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages.carrier_placement import all_placements
from schema.vocabulary import Placement
from workers.broker.broker_view import view_broker

log = logging.getLogger(__name__)

#: seconds between two reads
_INTERVAL = 5.0


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What is known of the broker."""

    is_up: bool = False
    #: queue → tasks; empty where that is not known
    depths: Mapping[str, int] = field(default_factory=dict)
    #: name → workers of that name that answer, on any host; 0 for one that should run
    workers: Mapping[str, int] = field(default_factory=dict)
    #: orders in lists that no worker reads
    unread: int = 0


def read_broker(broker_url: str, placements: Mapping[str, Placement]) -> BrokerState:
    """Return the state of the broker; `placements`: those of all carriers."""
    found = view_broker(broker_url, placements)
    if not found.is_up:
        log.warning("the broker does not answer")
    return BrokerState(found.is_up, found.depths, found.workers, sum(found.unread.values()))


class BrokerWatch:
    """Reads the state of the broker every few seconds, in a thread."""

    def __init__(self, rt: Runtime) -> None:
        """Begin with a broker that is not known to answer."""
        self.state = BrokerState()
        self._rt = rt
        self._placements: Mapping[str, Placement] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._watch, name="broker-watch", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            with suppress(DatabaseFault):  # those read last are still valid
                self._placements = all_placements(self._rt)
            self.state = read_broker(self._rt.settings.broker_url.get_secret_value(), self._placements)
            self._stopped.wait(_INTERVAL)
