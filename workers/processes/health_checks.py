"""The check of each line of the Procfile: whether that process of this host does its work."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from workers.processes.heartbeat_file import HeartbeatRecord, is_running, records

#: seconds within which a loop must have run
TURN = 45.0
#: seconds within which a pool must have run something: longer than any portion of a batch takes
WORK = 180.0
#: seconds that an HTTP server may take to answer
ANSWER = 5.0


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """Where a process that serves HTTP says how it is."""

    #: settings of its host and port, and the port's default
    host: str
    port: str
    usual: int
    path: str


HTTP: Mapping[str, HttpCheck] = {
    "gateway": HttpCheck("POSTROAD_GATEWAY_HOST", "POSTROAD_GATEWAY_PORT", 8080, "/readyz"),
    "console": HttpCheck("POSTROAD_CONSOLE_HOST", "POSTROAD_CONSOLE_PORT", 8081, "/readyz"),
    "metrics": HttpCheck("POSTROAD_METRICS_HOST", "POSTROAD_METRICS_PORT", 9464, "/livez"),
    "flower": HttpCheck("POSTROAD_FLOWER_HOST", "POSTROAD_FLOWER_PORT", 5555, "/healthcheck"),
}
#: processes that write heartbeats
HEARTBEATS = frozenset({"worker", "lane", "clock", "carriers", "beat", "notifier"})

#: addresses of a server that listens on all of them, and where it can be asked
_ALL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen on


def fault(name: str, environment: Mapping[str, str], within: float | None = None) -> str | None:
    """Return in one line why a process of this host does not do its work; None: it does.

    `name` is that of a Procfile line, or `carriers/NAME` for one carrier's worker. `within`: instead of all of the
    usual times, in seconds.
    """
    if check := HTTP.get(name):
        return _ask(check, environment, within or ANSWER)
    home = Path(environment.get("POSTROAD_HOME") or ".postroad")
    return _heartbeat_fault(home, name, within or TURN, within or WORK)


def _heartbeat_fault(home: Path, name: str, turn: float, work: float) -> str | None:
    found = records(home, name)
    if not found:
        return f"{name} does not run here: it has no heartbeat in {home / 'health'}"
    for each in found:
        if words := _standstill(each, time.monotonic(), turn, work):
            return f"{name}: {words}"
        for child in each.children:
            if words := _heartbeat_fault(home, child, turn, work):
                return words
    return None


def _standstill(found: HeartbeatRecord, now: float, turn: float, work: float) -> str | None:
    if not is_running(found.pid) or now < found.looped_at:  # this host was restarted since
        return f"process {found.pid} has ended"
    if now - found.looped_at > turn:
        return f"process {found.pid} stands still: its loop last ran {now - found.looped_at:.0f} s ago"
    if now - found.worked_at > work:
        return f"process {found.pid} does nothing: its pool finished something {now - found.worked_at:.0f} s ago"
    return None


def _ask(check: HttpCheck, environment: Mapping[str, str], within: float) -> str | None:
    host = environment.get(check.host, "127.0.0.1")
    host, port = _ALL.get(host, host), environment.get(check.port) or str(check.usual)
    try:
        with closing(HTTPConnection(host, int(port), timeout=within)) as connection:
            connection.request("GET", check.path)
            answer = connection.getresponse()
            content = answer.read(200)
    except TimeoutError:
        return f"port {port} of {host} does not answer within {within:g} s"
    except (OSError, HTTPException, ValueError) as error:
        return f"port {port} of {host} cannot be asked: {error}"
    words = " ".join(content.decode(errors="replace").split())
    return None if answer.status == 200 else f"{check.path} says {answer.status}: {words}"
