"""`postroad demo`: runs the whole product for half a minute on temporary servers."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click
from pydantic import SecretStr

from pipeline.dialects import registry
from pipeline.runtime import Runtime
from pipeline.settings import Settings, settings
from pipeline.stages.admin.migrations import migrate
from pipeline.stages.admin.sandbox import ACCOUNT, set_up_sandbox
from pipeline.stages.admin.wallets import grant
from workers import generated_secrets
from workers.cli.terminal.opened import opened
from workers.lab.demo import demo_admin, demo_sandbox
from workers.lab.demo.scenario import DemoScenario, Interrupted
from workers.lab.embedded import development
from workers.lab.embedded.data_folder import make_folder
from workers.lab.supervisor import local_processes
from workers.lab.supervisor.supervise import supervise
from workers.logs import set_up as log_set_up

#: segments of quota, so that quota and money are both used
QUOTA = 300

_INTERRUPTED = 128 + signal.SIGINT


@click.command()
@click.option("--keep", is_flag=True, help="Go on at the end, until Ctrl-C, to look at the console and at Flower.")
def demo(keep: bool) -> int:
    """Send a few thousand messages through simulated carriers, on temporary servers; takes under a minute.

    Starts PostgreSQL, Valkey, the workers, the clock, the gateway, the console, Flower and two simulated carriers: an
    SMSC that refuses a tenth of its messages, and an HTTP vendor that sometimes closes the connection. Sends one
    message, a long one, one that its first carrier refuses, one scheduled a few seconds ahead, one that is cancelled,
    one through each of the five APIs, and a campaign of 2,000; sends STOP from a handset. Then shows the results and
    compares the carriers' own logs with the database.

    It uses free ports and a temporary folder, so it affects nothing else on this machine; only the processes' logs
    stay, in POSTROAD_HOME/logs/demo. Exit codes: 0 all checks passed; 1 some failed.
    """
    log_set_up("demo", "WARNING")
    given = settings()
    logs = make_folder(given.home.resolve(), None, 0o755) / "logs" / "demo"
    for log in logs.glob("*.log"):
        log.unlink()
    with _terminable(), development.temporary() as servers:
        ready = _settings(given, servers)
        played = demo_sandbox.scripts(servers.home)
        oracle = servers.home / "oracle.jsonl"
        with opened(ready) as rt:
            migrate(rt, registry.rows())
            set_up_sandbox(rt, demo_sandbox.sandbox(ready, played))
            grant(rt, ACCOUNT, QUOTA, "for the demo")
            click.echo("PostgreSQL and Valkey run; starting the rest …")
            scenario = _ScenarioThread(rt, oracle, partial(demo_admin.link, rt, ready) if keep else None)
            processes = local_processes.at_once(
                local_processes.processes(ready, played, oracle), lambda name: click.echo(f"  {name}")
            )
            stopped = supervise(
                processes, timeouts=local_processes.ALL_AT_ONCE, logs=logs, when_up=lambda: scenario.start(ready)
            )
            code = scenario.end()
    code = stopped or code
    if code == 1:
        click.echo(f"the processes' logs are in {logs}", err=True)
    return code


class _ScenarioThread:
    """Runs the scenario beside the supervisor, which needs the main thread, and stops that at the end."""

    def __init__(self, rt: Runtime, oracle: Path, console_link: Callable[[], str] | None) -> None:
        """`console_link`: makes the link that is printed at the end, after which everything goes on; None: it stops."""
        self._scenario = DemoScenario(rt, oracle)
        self._console_link = console_link
        self._thread = threading.Thread(target=self._run, name="scenario")
        self._sound = False
        self._error: BaseException | None = None

    def start(self, ready: Settings) -> None:
        """Start the thread."""
        user, _, password = ready.flower_basic_auth.get_secret_value().partition(":")
        click.echo(f"everything runs; Flower: http://127.0.0.1:{ready.flower_port} ({user}, {password})\n")
        self._thread.start()

    def end(self) -> int:
        """Wait for the scenario to end; return the exit code."""
        self._scenario.stop.set()
        if self._thread.ident is None:
            return _INTERRUPTED
        self._thread.join()
        if isinstance(self._error, Interrupted):
            return _INTERRUPTED
        if self._error:
            raise self._error
        return 0 if self._sound else 1

    def _run(self) -> None:
        try:
            self._sound = self._scenario.run()
            if self._console_link:
                click.echo(f"\nThe console, where this link signs you in once: {self._console_link()}\nCtrl-C stops.")
                self._scenario.stop.wait()
        except BaseException as error:  # noqa: BLE001 - raised again by `end`, in the main thread
            self._error = error
        if not self._scenario.stop.is_set():  # else the supervisor has ended and would not handle the signal
            click.echo("\nstopping …")
            os.kill(os.getpid(), signal.SIGTERM)


def _settings(given: Settings, servers: development.EmbeddedServers) -> Settings:
    gateway, console, metrics, flower, simulator, smsc = _free_ports(6)
    return given.model_copy(
        update={
            "home": servers.home,
            "database_url": SecretStr(servers.database_url),
            "broker_url": SecretStr(servers.broker_url),
            "gateway_host": "127.0.0.1",
            "gateway_port": gateway,
            "console_port": console,
            "metrics_port": metrics,
            "flower_port": flower,
            "simulator_port": simulator,
            "simulator_smpp_port": smsc,
            "secret_key": SecretStr(generated_secrets.password(servers.home, "secret_key")),
            "flower_basic_auth": SecretStr(f"demo:{generated_secrets.password(servers.home, 'flower')[:8]}"),
        }
    )


def _free_ports(count: int) -> list[int]:
    """Return `count` different free ports."""
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


@contextmanager
def _terminable() -> Iterator[None]:
    """Handle SIGTERM by an orderly exit also before and after the supervisor does."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
