"""The log of every process: set-up, levels, and a line for each record, as text or as a JSON object.

A record's ids are fields: those that its text names (`"carrier %(carrier)s: …", {"carrier": name}`), and those that
the process knows of what it is at (a task, its batch). No line contains message content.
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from pipeline.errors import ConfigurationError
from workers import error_reports

log = logging.getLogger(__name__)

LEVEL, FORMAT = "POSTROAD_LOG_LEVEL", "POSTROAD_LOG_FORMAT"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: our packages
_OURS = ("pipeline", "schema", "workers")
#: libraries that say at INFO what a process does, without the data that they process at DEBUG
_LIFE_CYCLE = ("alembic", "celery", "flower", "kombu.mixins", "uvicorn")
#: of them, those that log a line per tick at INFO
_NOISY = ("celery.worker.strategy", "celery.app.trace", "celery.beat")

#: what a text cannot contain in one line
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: the query of a URL, which may search for a number
_QUERY = re.compile(r"\?\S*")
#: the fields that a text names
_NAMED = re.compile(r"%\((\w+)\)")

#: returns the ids that a process knows of what it is at
Context = Callable[[logging.LogRecord], Mapping[str, str]]


class LogFormat(StrEnum):
    """The form of a log line."""

    #: time, level, process, logger and message, for people
    TEXT = "text"
    #: a JSON object with the same and all ids as keys
    JSON = "json"


def level(usual: str = "INFO") -> str:
    """Return the level in POSTROAD_LOG_LEVEL, `usual` if that is not set; ConfigurationError if it is invalid."""
    named = os.environ.get(LEVEL, "").upper() or usual
    if named not in _LEVELS:
        raise ConfigurationError(f"{LEVEL} is {named}; it must be one of {', '.join(_LEVELS)}")
    return named


def log_format() -> LogFormat:
    """Return the format in POSTROAD_LOG_FORMAT, text if that is not set; ConfigurationError if it is invalid."""
    named = os.environ.get(FORMAT, "").lower() or LogFormat.TEXT
    if named not in tuple(LogFormat):
        raise ConfigurationError(f"{FORMAT} is {named}; it must be one of {', '.join(LogFormat)}")
    return LogFormat(named)


def set_up(process: str, usual: str = "INFO", *, context: Context = lambda _: {}, **always: str) -> None:
    """Log to stderr at POSTROAD_LOG_LEVEL, in POSTROAD_LOG_FORMAT, and errors to Sentry if POSTROAD_SENTRY_DSN is set.

    ConfigurationError: one of these is invalid.

    `usual` is the level if none is set; `always` are ids that every line has. Libraries log below WARNING only what
    does not contain the data that they process.
    """
    named = logging.getLevelName(level(usual))
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(process, log_format(), lambda record: {**always, **context(record)}))
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, named), force=True)
    logging.captureWarnings(True)
    for name in _OURS:
        logging.getLogger(name).setLevel(named)
    for name in _LIFE_CYCLE:
        logging.getLogger(name).setLevel(max(logging.INFO, named))
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, named))
    error_reports.start(process)
    log.info("starts")


def is_set_up() -> bool:
    """Tell whether this process logs so already."""
    return any(isinstance(each.formatter, LineFormatter) for each in logging.getLogger().handlers)


class LineFormatter(logging.Formatter):
    """Makes one line of a record; in text a traceback follows on lines of its own."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, process: str, form: LogFormat, context: Context) -> None:
        """Take the process's name, the format, and the function that returns the ids of a record."""
        super().__init__()
        self._process = process
        self._line = _json if form is LogFormat.JSON else _text
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._line(
            {
                "time": self.formatTime(record),
                "level": record.levelname,
                "process": self._process,
                "pid": record.process,
                "logger": record.name,
                "message": _message(record),
            },
            {**self._context(record), **_named(record)},
            self.formatException(record.exc_info) if record.exc_info else "",
        )


def _text(said: Mapping[str, Any], ids: Mapping[str, Any], traceback: str) -> str:
    """Return the text of a record: with those ids at its end that the message does not name."""
    more = "".join(f" {name}={id_}" for name, id_ in ids.items() if str(id_) not in said["message"])
    line = "{time} {level} {process}[{pid}] {logger}: {message}".format_map(said) + more
    return f"{line}\n{traceback}" if traceback else line


def _json(said: Mapping[str, Any], ids: Mapping[str, Any], traceback: str) -> str:
    more = {"traceback": traceback} if traceback else {}
    # no id replaces what each line has
    return json.dumps({**said, **ids, **said, **more}, ensure_ascii=False, default=str)


def _message(record: logging.LogRecord) -> str:
    """Return the message in one line; a web server's without the queries of its URLs."""
    said = record.getMessage()
    if record.name.startswith("tornado"):
        said = _QUERY.sub("?…", said)
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], " ".join(said.split("\n")))


def _named(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that a text of ours names."""
    if not (isinstance(record.args, Mapping) and record.name.partition(".")[0] in _OURS):
        return {}
    return {name: record.args[name] for name in _NAMED.findall(record.msg)}
