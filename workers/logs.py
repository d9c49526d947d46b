"""One form of log for every process: when (UTC), how grave, which process, which module, what. Never content.

Only our own modules are heard below WARNING: at DEBUG the libraries print what passes through them.
"""

import logging
import os
import time

from pipeline.errors import ConfigurationError

LEVEL = "POSTROAD_LOG_LEVEL"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: our packages
_OURS = ("pipeline", "schema", "workers")

# for all formatters: Celery makes its own
logging.Formatter.converter = time.gmtime
logging.Formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
logging.Formatter.default_msec_format = "%s.%03dZ"


def form(process: str) -> str:
    """Return how a line of a process looks."""
    return f"%(asctime)s %(levelname)s {process}[%(process)d] %(name)s: %(message)s"


def level(usual: str = "INFO") -> str:
    """Return the level that POSTROAD_LOG_LEVEL names, `usual` where it names none; ConfigurationError: it is none."""
    named = os.environ.get(LEVEL, "").upper() or usual
    if named not in _LEVELS:
        raise ConfigurationError(f"{LEVEL} is {named}; it must be one of {', '.join(_LEVELS)}")
    return named


def set_up(process: str) -> None:
    """Have this process log to stderr at POSTROAD_LOG_LEVEL (INFO); ConfigurationError when that is no level."""
    named = level()
    logging.basicConfig(format=form(process), level=max(logging.WARNING, logging.getLevelName(named)), force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(named)
