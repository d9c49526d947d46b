"""The log format of every process: time (UTC), level, process, module, message. Never message content.

Only our own modules log below WARNING: at DEBUG libraries log the data that they process.
"""

import logging
import os
import time

from pipeline.errors import ConfigurationError

LEVEL = "POSTROAD_LOG_LEVEL"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: our packages
_OURS = ("pipeline", "schema", "workers")

# for all formatters, Celery's own included
logging.Formatter.converter = time.gmtime
logging.Formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
logging.Formatter.default_msec_format = "%s.%03dZ"


def form(process: str) -> str:
    """Return the format of a process's log lines."""
    return f"%(asctime)s %(levelname)s {process}[%(process)d] %(name)s: %(message)s"


def level(usual: str = "INFO") -> str:
    """Return the level in POSTROAD_LOG_LEVEL, `usual` if that is not set; ConfigurationError if it is invalid."""
    named = os.environ.get(LEVEL, "").upper() or usual
    if named not in _LEVELS:
        raise ConfigurationError(f"{LEVEL} is {named}; it must be one of {', '.join(_LEVELS)}")
    return named


def set_up(process: str) -> None:
    """Log to stderr at POSTROAD_LOG_LEVEL (default INFO); ConfigurationError if that is invalid."""
    named = level()
    logging.basicConfig(format=form(process), level=max(logging.WARNING, logging.getLevelName(named)), force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(named)
