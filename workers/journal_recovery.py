"""Recovers batches of killed processes of this host from their journals, within seconds; runs in each pool child."""

import logging
import time
from threading import Thread
from typing import Any

from celery.signals import worker_process_init

from pipeline.errors import DatabaseFault
from workers.app import runtime
from workers.tasks import recover_killed

log = logging.getLogger(__name__)

#: seconds between two scans of the journal folder
_LOOK = 2.0


@worker_process_init.connect
def _begin(**_: Any) -> None:
    Thread(target=_watch, name="recovery", daemon=True).start()


def _watch() -> None:
    while not runtime().is_stopping():
        try:
            recover_killed()
        except DatabaseFault as fault:
            log.warning("the batches of a killed process are not recovered yet: %s", fault)
        except Exception as error:  # noqa: BLE001 - the cause may be gone at the next scan
            log.error("recovering the batches of a killed process failed with %s", type(error).__name__)
        time.sleep(_LOOK)
