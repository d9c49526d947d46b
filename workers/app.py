"""The Celery app and its configuration, and the Runtime of this process."""

import mmap
import os
import sys
from threading import Lock
from typing import Any

from celery import Celery
from celery._state import get_current_task
from celery.signals import (
    import_modules,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
    worker_shutting_down,
)

from pipeline.runtime import Runtime
from workers import beat, celery_logs
from workers.gc_freeze import freeze
from workers.queues import INGEST, QUEUES
from workers.redaction import RedactedAMQP, RedactedTask
from workers.server_urls import broker_url, with_local_servers

app = Celery(
    "postroad", amqp=RedactedAMQP, task_cls=RedactedTask, include=["workers.tasks", "workers.journal_recovery"]
)
app.conf.update(
    broker_url=broker_url(with_local_servers()),
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=5,
    # also when a queue's key holds another type
    broker_channel_error_retry=True,
    # hints may be lost or doubled (the row is the truth), so this affects speed only
    broker_transport_options={
        "visibility_timeout": 60,
        "health_check_interval": 10,
        "socket_keepalive": True,
        "socket_connect_timeout": 5,
        "socket_timeout": 15,
        "global_keyprefix": "postroad:",
        "confirm_publish": True,
    },
    task_queues=QUEUES,
    task_default_queue=INGEST,
    task_create_missing_queues=False,
    task_publish_retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.4},
    task_serializer="json",
    accept_content=["json"],
    event_serializer="json",
    task_ignore_result=True,
    result_backend=None,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # notices a killed child within a second
    worker_pool="workers.processes.pool_children:WatchedPool",
    worker_max_tasks_per_child=10_000,
    worker_eta_task_limit=1000,
    worker_soft_shutdown_timeout=20,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_consumer="workers.broker.consumer:GuardedConsumer",
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    beat_schedule=beat.SCHEDULE,
    beat_scheduler="workers.beat_scheduler:StatelessScheduler",
    timezone="UTC",
)

celery_logs.connect()

_runtimes: dict[int, Runtime] = {}
#: guards the first call, which several threads may make at once
_making = Lock()

#: two bytes that a worker shares with its forked children: whether the worker was told to stop, and how often a task
#: has looked, which it does between two portions of its work (as far as a byte counts)
_shared = mmap.mmap(-1, 2)
_STOPPING, _LOOKED = 0, 1


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    """Tell the children, which look between two portions: the signal reaches the worker only."""
    _shared[_STOPPING] = 1


def _is_stopping() -> bool:
    if get_current_task() is not None:
        _shared[_LOOKED] = (_shared[_LOOKED] + 1) % 256
    return bool(_shared[_STOPPING])


def progress() -> int:
    """Return a number that changes while tasks of this worker make progress."""
    return _shared[_LOOKED]


def runtime() -> Runtime:
    """Return this process's runtime, made at the first call, so never before a fork."""
    found = _runtimes.get(os.getpid())
    if found is None:
        with _making:
            found = _runtimes.get(os.getpid())
            if found is None:
                _runtimes.clear()
                found = Runtime(with_local_servers(), is_stopping=_is_stopping, keeps_journal=True)
                _runtimes[os.getpid()] = found
    return found


@import_modules.connect
def _adjust_flower(**_: Any) -> None:
    if "flower" in sys.argv:
        from workers import flower_set_up  # noqa: PLC0415 - imports a web server, for Flower's process only

        flower_set_up.adjust_pages()


@worker_process_init.connect
def _freeze(**_: Any) -> None:
    freeze()


@worker_process_shutdown.connect
@worker_shutdown.connect  # for a worker with a thread pool
def _close(**_: Any) -> None:
    found = _runtimes.pop(os.getpid(), None)
    if found:
        found.close()
