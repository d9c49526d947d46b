"""The state of the broker for metrics: queue depths, and which workers answer. Read by a thread, not by a scrape."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from kombu.exceptions import OperationalError

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages.carrier_placement import all_placements
from schema.vocabulary import Placement
from workers.broker.queue_depths import queue_depths
from workers.broker.unread_queues import unread
from workers.producer import producer
from workers.queues import QUEUES, own_queues

log = logging.getLogger(__name__)

#: names of the workers that each installation has: lines of the Procfile
_ALWAYS = ("worker", "lane", "clock")
#: seconds for which workers are waited for, and between two reads
_ANSWERS, _INTERVAL = 1.0, 5.0


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
    expected = [*_ALWAYS, *(name for name, placement in placements.items() if placement is not Placement.SHARED)]
    try:
        replies = producer(broker_url).control.ping(timeout=_ANSWERS) or []
    except (OperationalError, OSError) as error:
        log.warning("the broker does not answer: %s", type(error).__name__)
        return BrokerState()
    nodes = Counter(node.partition("@")[0] for reply in replies for node in reply)
    return BrokerState(
        is_up=True,
        depths=queue_depths(broker_url, _queues(placements)),
        workers={name: nodes[name] for name in sorted({*expected, *nodes})},
        unread=sum(each.messages for each in unread(broker_url)),
    )


def _queues(placements: Mapping[str, Placement]) -> Iterable[str]:
    yield from (queue.name for queue in QUEUES)
    for carrier, placement in placements.items():
        if placement is not Placement.SHARED:
            yield from (queue.name for queue in own_queues(carrier, placement))


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
