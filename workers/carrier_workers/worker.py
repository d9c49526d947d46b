"""One carrier's worker: a Celery worker with a thread pool that shares one permanent connection to the carrier."""

import logging
import os
import sys
import time
from functools import partial
from threading import Thread

from celery.signals import worker_ready

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages.carrier_balance_poll import BalancePoller
from pipeline.stages.carrier_placement import BindReporter, all_placements, keep_connected
from schema.vocabulary import Placement
from workers import celery_logs
from workers.app import app, runtime
from workers.broker.pool_heartbeat import heartbeat
from workers.carrier_workers import listener
from workers.celery_start import celery
from workers.queues import QUEUES, own_queues
from workers.server_urls import with_local_servers
from workers.tasks import recover_killed

log = logging.getLogger(__name__)

#: the Procfile's line that starts these processes
_LINE = "carriers"

#: seconds between two reads of the carrier's row
_LOOK = 2.0
#: batches in progress at once: while one waits for the carrier another waits for the database. An HTTP carrier takes
#: one call at a time, and a third batch would only spend its lease waiting
CONCURRENCY = {Placement.BOUND: 4, Placement.OWN: 2}


def run(name: str) -> None:
    """Send the messages of one carrier until told to stop; ConfigurationError when there is no such carrier."""
    # a connection for each thread, for the listener and the watches (placement, campaigns), and for an OTP batch that
    # overtakes
    os.environ.setdefault("POSTROAD_POOL_SIZE", str(max(CONCURRENCY.values()) + 4))
    rt = Runtime(with_local_servers())
    placement = all_placements(rt).get(name)
    rt.close()
    if placement is None or placement is Placement.SHARED:
        raise ConfigurationError(f"carrier {name}: no carrier of this name needs a process of its own")
    celery_logs.set_up(_LINE, carrier=name)
    heartbeat.name = f"{_LINE}/{name}"
    queues = own_queues(name, placement)
    app.conf.task_queues = (*QUEUES, *queues)
    worker_ready.connect(lambda **_: Thread(target=_watch, args=(name,), daemon=True).start(), weak=False)
    celery.main(
        [
            "worker",
            *("--pool", "threads", "--concurrency", str(CONCURRENCY[placement]), "-n", f"{name}@%h"),
            *("-Q", ",".join(queue.name for queue in queues), "-E", "--without-gossip", "--without-mingle"),
        ],
        prog_name="celery",
        standalone_mode=False,
    )


def _watch(name: str) -> None:
    """Keep the carrier connected as its row says, also when there is nothing to send, and poll its balance."""
    poller, reporter = BalancePoller(name), BindReporter(name)
    while not runtime().is_stopping():
        try:
            carrier = keep_connected(runtime(), name, partial(listener.handle_events, runtime(), name))
            listener.note_late(runtime(), name)
            recover_killed()
            reporter.look(runtime(), carrier)
            poller.look(runtime())
        except (ConfigurationError, DatabaseFault) as error:
            log.warning("carrier %(carrier)s: %(fault)s", {"carrier": name, "fault": error})
        except Exception as error:  # noqa: BLE001 - this thread must go on
            words = "carrier %(carrier)s: keeping it connected failed with %(fault)s"
            log.error(words, {"carrier": name, "fault": type(error).__name__})
        time.sleep(_LOOK)


if __name__ == "__main__":
    try:
        run(*sys.argv[1:])
    except ConfigurationError as error:
        sys.exit(str(error))
