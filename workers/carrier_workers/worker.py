"""One carrier's process: a Celery worker whose tasks are threads, around one connection that stays."""

import logging
import os
import sys
import time
from functools import partial
from threading import Thread

from celery.signals import worker_ready

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages.balance_poll import BalancePoller
from pipeline.stages.placement import BindReporter, all_placements, keep_connected
from schema.vocabulary import Placement
from workers import logs
from workers.app import app, runtime
from workers.carrier_workers import listener
from workers.queues import QUEUES, own_queues
from workers.server_urls import with_local_servers
from workers.tasks import recover_killed

log = logging.getLogger(__name__)

#: seconds between two looks at the carrier's row
_LOOK = 2.0
#: batches that are under way at once: while one waits for its carrier another waits for the database. An HTTP carrier
#: takes one call at a time, and a third would only use up its own time in waiting
CONCURRENCY = {Placement.BOUND: 4, Placement.OWN: 2}


def run(name: str) -> None:
    """Carry the messages of one carrier until told to stop; ConfigurationError when there is none of that name."""
    # each thread has a connection; so have the ear and the watch, and a code that overtakes
    os.environ.setdefault("POSTROAD_POOL_SIZE", str(max(CONCURRENCY.values()) + 3))
    rt = Runtime(with_local_servers())
    placement = all_placements(rt).get(name)
    rt.close()
    if placement is None or placement is Placement.SHARED:
        raise ConfigurationError(f"carrier {name}: there is none of this name that needs a process of its own")
    queues = own_queues(name, placement)
    app.conf.task_queues = (*QUEUES, *queues)
    worker_ready.connect(lambda **_: Thread(target=_watch, args=(name,), daemon=True).start(), weak=False)
    app.worker_main(
        [
            "-q",
            "worker",
            *("--pool", "threads", "--concurrency", str(CONCURRENCY[placement]), "-n", f"{name}@%h"),
            *("-Q", ",".join(queue.name for queue in queues), "-E", "--without-gossip", "--without-mingle"),
            *("--loglevel", logs.level()),
        ]
    )


def _watch(name: str) -> None:
    """Keep the carrier connected as its row says, whether or not there is anything to send, and its balance known."""
    scales, reporter = BalancePoller(name), BindReporter(name)
    while not runtime().is_stopping():
        try:
            carrier = keep_connected(runtime(), name, partial(listener.listens_to, runtime(), name))
            listener.note_late(runtime(), name)
            recover_killed()
            reporter.look(runtime(), carrier)
            scales.look(runtime())
        except (ConfigurationError, DatabaseFault) as error:
            log.warning("carrier %s: %s", name, error)
        except Exception as error:  # noqa: BLE001 - whoever looks after the carrier must not die of it
            log.error("carrier %s: looking after it failed with %s", name, type(error).__name__)
        time.sleep(_LOOK)


if __name__ == "__main__":
    try:
        run(*sys.argv[1:])
    except ConfigurationError as error:
        sys.exit(str(error))
