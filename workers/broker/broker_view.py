"""What is known of the broker: whether it answers, depths of its queues, which workers answer, orders nobody reads."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from kombu.exceptions import OperationalError

from pipeline.stages.admin.attention import BrokerView
from schema.vocabulary import Placement
from workers.broker.queue_depths import queue_depths
from workers.broker.unread_queues import unread
from workers.producer import producer
from workers.queues import QUEUES, own_queues

#: names of the workers that each installation has: lines of the Procfile
_ALWAYS = ("worker", "lane", "clock")
#: seconds for which workers are waited for
_ANSWERS = 1.0


def view_broker(broker_url: str, placements: Mapping[str, Placement]) -> BrokerView:
    """Return the state of the broker; `placements`: those of all carriers. It takes a second."""
    expected = [*_ALWAYS, *(name for name, placement in placements.items() if placement is not Placement.SHARED)]
    # a connection that this process kept may have been closed meanwhile: the second attempt opens another
    replies = _replies(broker_url)
    if replies is None:
        replies = _replies(broker_url)
    if replies is None:
        return BrokerView(is_up=False)
    nodes = Counter(node.partition("@")[0] for reply in replies for node in reply)
    return BrokerView(
        is_up=True,
        depths=queue_depths(broker_url, _queues(placements)),
        workers={name: nodes[name] for name in [*expected, *sorted(nodes.keys() - set(expected))]},
        unread={each.list: each.messages for each in unread(broker_url)},
    )


def _replies(broker_url: str) -> list[dict[str, Any]] | None:
    """Return the answers of workers; None: the broker does not answer."""
    app = producer(broker_url)
    errors = app.connection_for_write().connection_errors
    lost: tuple[type[BaseException], ...] = (*errors, OperationalError, OSError)
    try:
        return app.control.ping(timeout=_ANSWERS) or []
    except lost:
        return None


#: broker URL → when it was viewed last, and its state then
_recent: dict[str, tuple[float, BrokerView]] = {}
_viewing = Lock()


def recent_view(broker_url: str, placements: Mapping[str, Placement], seconds: float) -> BrokerView:
    """Return the state of the broker, at most so many seconds old; concurrent calls view it once."""
    with _viewing:
        viewed_at, found = _recent.get(broker_url, (float("-inf"), None))
        if found is None or time.monotonic() - viewed_at > seconds:
            found = view_broker(broker_url, placements)
            _recent[broker_url] = (time.monotonic(), found)
        return found


def _queues(placements: Mapping[str, Placement]) -> Iterable[str]:
    yield from (queue.name for queue in QUEUES)
    for carrier, placement in placements.items():
        if placement is not Placement.SHARED:
            yield from (queue.name for queue in own_queues(carrier, placement))
