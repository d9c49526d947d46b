"""Sets up the log of Celery's processes like that of our others, with the ids of the task that a line is about."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from celery import Task
from celery._state import get_current_task
from celery.signals import celeryd_init, import_modules, setup_logging
from celery.utils.log import get_multiprocessing_logger

from pipeline.errors import ConfigurationError
from workers import logs
from workers.redaction import is_id

#: task → what its first argument is the id of; an order's task has its request's
_SUBJECTS = {
    "sms.segment": "batch",
    "sms.bill": "batch",
    "sms.deliver": "batch",
    "sms.campaign.check": "campaign",
    "sms.campaign.expand": "campaign",
    "sms.campaign.prepare": "campaign",
}


def connect() -> None:
    """Have the log set up when a worker, beat or Flower starts."""
    celeryd_init.connect(_start_worker)
    import_modules.connect(_start_flower)
    setup_logging.connect(_start_beat)


def set_up(process: str, **always: str) -> None:
    """Set up the log of this process, with ids that every line has, unless that is done; exit if a setting is invalid.

    Celery would only log an exception here.
    """
    try:
        if not logs.is_set_up():
            logs.set_up(process, context=task_context, **always)
    except ConfigurationError as error:
        sys.exit(str(error))


def task_context(record: logging.LogRecord) -> dict[str, str]:
    """Return the name and id of the task during which a record was made, or that a record of Celery is about.

    With the batch or campaign that the task is for, if it is for one.
    """
    task: Task[Any, Any] | None = get_current_task()
    if task is not None:
        return _ids(task.name, task.request.id, task.request.args)
    said = record.args
    if isinstance(said, Mapping) and {"id", "name"} <= said.keys() and record.name.startswith("celery."):
        return _ids(said["name"], said["id"], None)
    return {}


def _ids(task: Any, id_: Any, arguments: Any) -> dict[str, str]:
    subject = arguments[0] if isinstance(arguments, list | tuple) and arguments else None
    if isinstance(subject, list | tuple) and len(subject) == 1:
        subject = subject[0]
    about = {_SUBJECTS[task]: str(subject)} if task in _SUBJECTS and is_id(subject) else {}
    return {"task": str(task), "task_id": str(id_), **about}


def _start_worker(sender: str, **_: Any) -> None:
    """Set up the log of a worker, before it says anything."""
    set_up(sender.partition("@")[0])
    vars(sys.modules["celery.apps.worker"])["safe_say"] = _say


def _start_flower(**_: Any) -> None:
    """Set up the log of Flower, which sends no other signal."""
    if "flower" in sys.argv:
        set_up("flower")


def _start_beat(**_: Any) -> None:
    """Set up the log of beat, and prevent Celery's own set-up, also that of workers."""
    set_up("beat" if "beat" in sys.argv else "celery")
    if billiard := get_multiprocessing_logger():
        billiard.setLevel(logging.ERROR)
        billiard.propagate = True


def _say(message: str, _file: Any = None) -> None:
    """Write a line that a worker says in a signal handler, which may have interrupted the writing of another."""
    [handler] = logging.getLogger().handlers
    record = logging.LogRecord("celery.apps.worker", logging.WARNING, "", 0, message, (), None)
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{handler.format(record)}\n".encode())
