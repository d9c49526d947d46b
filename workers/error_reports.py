"""Errors reported to Sentry where POSTROAD_SENTRY_DSN is set: what our log has at ERROR, without what messages contain.

Of an exception its type and its places in the code are sent, and its text where that cannot contain data. No local
variables, lines of code, requests, arguments or environment are. Without the setting the library is not imported.
"""

import logging
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pipeline.errors import ConfigurationError, DatabaseFault

DSN = "POSTROAD_SENTRY_DSN"

#: what is kept of an event, of an exception in it, and of a frame of its traceback
_EVENT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "server_name", "sdk")
_EXCEPTION = ("type", "module", "mechanism")
_FRAME = ("filename", "module", "function", "lineno", "in_app")
#: exceptions whose text names settings, and statements without their values
_PLAIN = {each.__name__ for each in (ConfigurationError, DatabaseFault)}
#: our own modules; their log lines contain no data
_OURS = ("pipeline", "schema", "workers")


def start(process: str) -> None:
    """Report this process's errors; ConfigurationError if the DSN is invalid or the library is not installed."""
    dsn = os.environ.get(DSN)
    if not dsn:
        return
    try:
        import sentry_sdk  # noqa: PLC0415 - an extra; and it takes a tenth of a second
        from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415
        from sentry_sdk.utils import BadDsn  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(f"{DSN} is set: install postroad[sentry], or unset it") from None
    try:
        sentry_sdk.init(
            dsn,
            release=f"postroad@{version('postroad')}",
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
            send_default_pii=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=lambda event, _hint: _redacted(event, process),
        )
    except BadDsn:
        raise ConfigurationError(f"{DSN} is not a DSN: copy it from the project's settings in Sentry") from None


def _redacted(event: Any, process: str) -> Any:
    """Return what is sent of an event."""
    kept = _only(event, _EVENT) | {"tags": {"process": process}}
    if said := event.get("logentry"):
        kept["logentry"] = {"message": _text(said, str(event.get("logger", "")))}
    if found := event.get("exception"):
        kept["exception"] = {"values": [_exception(each) for each in found.get("values") or ()]}
    return kept


def _text(said: Mapping[str, Any], logger: str) -> str:
    """Return our own line whole; of a library's the first line without its values, as these may be arguments."""
    if logger.partition(".")[0] in _OURS:
        return str(said.get("formatted") or said.get("message"))
    return str(said.get("message")).partition("\n")[0]


def _exception(found: Mapping[str, Any]) -> dict[str, Any]:
    kept = _only(found, _EXCEPTION)
    if found.get("module") == DatabaseFault.__module__ and found.get("type") in _PLAIN:
        kept["value"] = found.get("value")
    frames = (found.get("stacktrace") or {}).get("frames") or ()
    return kept | {"stacktrace": {"frames": [_only(frame, _FRAME) for frame in frames]}}


def _only(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}
