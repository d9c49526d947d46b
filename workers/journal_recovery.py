"""Each child of a worker settles what killed processes of its host left behind: within seconds, by their journals."""

import logging
import time
from threading import Thread
from typing import Any

from celery.signals import worker_process_init

from pipeline.errors import DatabaseFault
from workers.app import runtime
from workers.tasks import recover_killed

log = logging.getLogger(__name__)

#: seconds between two looks at the folder of journals
_LOOK = 2.0


@worker_process_init.connect
def _begin(**_: Any) -> None:
    Thread(target=_watch, name="recovery", daemon=True).start()


def _watch() -> None:
    while not runtime().is_stopping():
        try:
            recover_killed()
        except DatabaseFault as fault:
            log.warning("what a killed process left behind is not settled yet: %s", fault)
        except Exception as error:  # noqa: BLE001 - the next look may find what this one stumbled over gone
            log.error("settling what a killed process left behind failed with %s", type(error).__name__)
        time.sleep(_LOOK)
