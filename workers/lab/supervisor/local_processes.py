"""The local processes of `up` and `demo`: the simulator and the Procfile's lines, their order and readiness checks."""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.carrier_placement import all_placements
from schema.vocabulary import Placement
from workers import logs
from workers.lab.supervisor.supervise import ChildProcess, StopTimeouts
from workers.processes.child_environment import child_environment
from workers.processes.free_port import require_free
from workers.processes.procfile import read_procfile, shell
from workers.producer import producer

#: timeout in seconds of one check of a port or a worker
_CHECK = 0.5
#: seconds to wait for the carriers' own processes: one that cannot run must not keep others from starting
_CARRIERS_TIMEOUT = 30.0

#: for processes that start at once: the wait is for all of them together
ALL_AT_ONCE = StopTimeouts(ready=180)

#: stopped together with the one before them in the list
_BESIDE = {"lane", "clock", "carriers", "gateway", "notifier", "metrics", "console", "flower"}


def check_ports(settings: Settings) -> None:
    """Raise ConfigurationError, naming the setting, when a port that the processes need is in use."""
    require_free(settings.gateway_host, settings.gateway_port, "POSTROAD_GATEWAY_PORT")
    require_free(settings.console_host, settings.console_port, "POSTROAD_CONSOLE_PORT")
    require_free(settings.metrics_host, settings.metrics_port, "POSTROAD_METRICS_PORT")
    require_free("127.0.0.1", settings.simulator_port, "POSTROAD_SIMULATOR_PORT")
    require_free("127.0.0.1", settings.simulator_smpp_port, "POSTROAD_SIMULATOR_SMPP_PORT")
    require_free(os.environ.get("POSTROAD_FLOWER_HOST", "127.0.0.1"), settings.flower_port, "POSTROAD_FLOWER_PORT")


def processes(settings: Settings, played: Path, log: Path | None = None) -> list[ChildProcess]:
    """Return the processes in the order to start them; the next may start when one is ready.

    The settings hold both URLs. The simulator plays the file of scripts, and writes its log to `log`.
    """
    variables = child_environment(settings) | {logs.LEVEL: logs.level("WARNING")}
    ready = {
        "gateway": _listens(settings.gateway_port, settings.gateway_host),
        "console": _listens(settings.console_port, settings.console_host),
        "metrics": _listens(settings.metrics_port, settings.metrics_host),
        "flower": _listens(settings.flower_port),
        # the three start concurrently; the next process waits for all of them
        "clock": _answer(settings, "worker", "lane", "clock"),
        "carriers": connected(settings),
    }
    simulator = [sys.executable, "-m", "workers.cli", "simulator", "--config", str(played)]
    simulator += ["--port", str(settings.simulator_port), "--smpp-port", str(settings.simulator_smpp_port)]
    simulator += ["--log", str(log)] if log else []
    return [
        ChildProcess("simulator", simulator, variables, _listens(settings.simulator_port)),
        *(
            ChildProcess(name, shell(line), variables, ready.get(name), beside=name in _BESIDE)
            for name, line in read_procfile().items()
        ),
    ]


def at_once(
    processes: Sequence[ChildProcess], on_ready: Callable[[str], object] = lambda _: None
) -> list[ChildProcess]:
    """Return the processes so that they start concurrently, in half of the time; the last is ready when all are.

    Only the first, the simulator, is waited for: messages need carriers. `on_ready` gets each name that becomes ready.
    """
    first, *rest = processes
    waited_for = {each.name: each.ready for each in rest if each.ready}

    def ready() -> bool:
        for name, looks in list(waited_for.items()):
            if looks():
                on_ready(name)
                del waited_for[name]
        return not waited_for

    *early, last = (replace(each, ready=None) for each in rest)
    return [first, *early, replace(last, ready=ready)]


def connected(settings: Settings) -> Callable[[], bool]:
    """Return a check of whether each carrier's process answers, true after a timeout."""
    deadlines: list[float] = []

    def ready() -> bool:
        deadlines.append(time.monotonic() + _CARRIERS_TIMEOUT)
        return time.monotonic() > deadlines[0] or _answer(settings, *own_carriers(settings))()

    return ready


def own_carriers(settings: Settings) -> list[str]:
    """Return the carriers with their own process; none while the database does not answer."""
    with closing(Runtime(settings)) as rt:
        try:
            return [name for name, placement in all_placements(rt).items() if placement is not Placement.SHARED]
        except DatabaseFault:
            return []


def _listens(port: int, host: str = "127.0.0.1") -> Callable[[], bool]:
    def ready() -> bool:
        try:
            socket.create_connection((host or "127.0.0.1", port), _CHECK).close()
        except OSError:
            return False
        return True

    return ready


def _answer(settings: Settings, *names: str) -> Callable[[], bool]:
    """Return a check of whether these workers answer a ping; they read their queues then."""
    workers = [f"{name}@{socket.gethostname()}" for name in names]

    def ready() -> bool:
        if not workers:  # with no destination every worker would answer
            return True
        control = producer(settings.broker_url.get_secret_value()).control
        return len(control.ping(destination=workers, timeout=_CHECK) or ()) == len(workers)

    return ready
