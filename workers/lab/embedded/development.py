"""Embedded PostgreSQL and Valkey for development: data in ./.postroad, stopped with the process that started them.

A server is started only where no URL is configured for it. The pip wheels' programs are preferred, because the tests
run on them; then the machine's own. On Linux the servers end with the program that started them even when that is
killed with -9 (workers/processes/parent_death_signal.py); elsewhere the next start stops orphaned servers.
"""

import atexit
import fcntl
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from pipeline.errors import ConfigurationError, PostroadError
from pipeline.settings import Settings
from workers import generated_secrets
from workers.lab.embedded import postgres, valkey
from workers.lab.embedded.data_folder import DataFolder, choose
from workers.lab.embedded.restart_watch import RestartWatch
from workers.lab.embedded.server_process import Server
from workers.running_servers import RunningServers, run_file, running

log = logging.getLogger(__name__)

_TRIES = 3
_MODES = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


@dataclass(slots=True)
class EmbeddedServers:
    """The PostgreSQL and Valkey in use; stops those that this process started."""

    database_url: str
    broker_url: str
    home: Path
    postgres: Server | None = None
    valkey: Server | None = None
    #: the open lock file; None: another process owns the servers, or none was started
    lock: int | None = None
    owner: int = field(default_factory=os.getpid)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables by which a child process uses the same servers."""
        return {"POSTROAD_DATABASE_URL": self.database_url, "POSTROAD_BROKER_URL": self.broker_url}

    def stop(self) -> None:
        """Stop the servers that this process started, both at once; adopted servers go on."""
        if self.lock is None or self.owner != os.getpid():
            return
        ours = [server for server in (self.valkey, self.postgres) if server]
        for server in ours:
            server.send_signal(server.stop_signal)
        for server in ours:
            server.await_end()
        run_file(self.home).unlink(missing_ok=True)
        os.close(self.lock)
        self.lock = None
        atexit.unregister(self.stop)

    def watch(self) -> RestartWatch:
        """Return the watch that restarts a server that died; poll it from the main thread."""
        return RestartWatch([server for server in (self.valkey, self.postgres) if server], lambda: _announce(self))

    def restart_postgres(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop our PostgreSQL in that mode ("immediate" is a crash) and start it on the same port and data."""
        self._restart(self._owned("postgres"), _MODES[mode])

    def kill_valkey(self) -> None:
        """Kill our Valkey with -9; up to a second of writes may be lost."""
        self._owned("valkey").end(signal.SIGKILL)

    def restart_valkey(self) -> None:
        """Start our Valkey, stopped first if it runs, on the same port and data."""
        self._restart(self._owned("valkey"), signal.SIGTERM)

    def _owned(self, name: Literal["postgres", "valkey"]) -> Server:
        server: Server | None = getattr(self, name)
        if server is None:
            raise PostroadError(f"{name} was not started by this process")
        return server

    def _restart(self, server: Server, number: signal.Signals) -> None:
        server.end(number)
        server.launch()
        if not server.becomes_ready():
            raise server.fault()
        _announce(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def start(settings: Settings, seconds: float = 60) -> EmbeddedServers:
    """Return the servers: configured URLs as they are, running servers of the same home adopted, others started.

    Call it from the main thread: on Linux the servers end with the thread that started them.
    """
    database_url = settings.database_url.get_secret_value()
    broker_url = settings.broker_url.get_secret_value()
    home = settings.home.resolve()
    if database_url and broker_url:
        return EmbeddedServers(database_url, broker_url, home)

    folder = choose(home)
    deadline = time.monotonic() + seconds
    while (lock := _lock(home)) is None:
        if found := running(home):
            log.info("using the servers that process %d started in %s", found.owner, home)
            return _adopted(database_url, broker_url, home, found)
        if time.monotonic() > deadline:
            raise PostroadError(f"another process holds {home}, but its servers do not answer; see {home / 'logs'}")
        time.sleep(0.05)
    return _started(EmbeddedServers(database_url, broker_url, home, lock=lock), folder)


@contextmanager
def temporary() -> Iterator[EmbeddedServers]:
    """Yield servers in a temporary data folder, deleted afterwards: for tests and benchmarks."""
    home = Path(tempfile.mkdtemp(prefix="postroad-"))
    home.chmod(0o755)
    try:
        with start(Settings(database_url="", broker_url="", home=home)) as servers:
            yield servers
    finally:
        shutil.rmtree(home)


def _adopted(database_url: str, broker_url: str, home: Path, found: RunningServers) -> EmbeddedServers:
    servers = EmbeddedServers(database_url or found.database_url, broker_url or found.broker_url, home)
    for url, name in ((servers.database_url, "DATABASE_URL"), (servers.broker_url, "BROKER_URL")):
        if not url:
            raise ConfigurationError(f"process {found.owner} runs in {home} with a {name} of its own: set it here too")
    return servers


def _started(servers: EmbeddedServers, folder: DataFolder) -> EmbeddedServers:
    atexit.register(servers.stop)
    try:
        if not servers.broker_url:
            servers.valkey = _launched(folder, valkey.prepare)
        if not servers.database_url:
            servers.postgres = _launched(folder, postgres.prepare)
        if servers.valkey:
            servers.valkey = _up(servers.valkey, folder, valkey.prepare)
            servers.broker_url = servers.valkey.url
        if servers.postgres:
            servers.postgres = _up(servers.postgres, folder, postgres.prepare)
            servers.database_url = servers.postgres.url
        _announce(servers)
    except BaseException:
        servers.stop()
        raise
    return servers


def _launched(folder: DataFolder, prepare: Callable[[DataFolder], Server]) -> Server:
    server = prepare(folder)
    server.launch()
    return server


def _up(server: Server, folder: DataFolder, prepare: Callable[[DataFolder], Server]) -> Server:
    """Wait until it answers; retry if it ended: its port was taken meanwhile, or its predecessor was not gone yet."""
    for _ in range(_TRIES - 1):
        if server.becomes_ready():
            return server
        if server.runs():
            break
        time.sleep(0.2)
        server = _launched(folder, prepare)
    if server.becomes_ready():
        return server
    server.end(signal.SIGKILL)
    raise server.fault()


def _announce(servers: EmbeddedServers) -> None:
    """Write the run file, by which other processes find the servers."""
    started = {"database_url": servers.postgres, "broker_url": servers.valkey}
    generated_secrets.write(
        run_file(servers.home),
        {name: server.url if server else "" for name, server in started.items()}
        | {"owner": servers.owner}
        | {"pids": {server.name: server.process.pid for server in started.values() if server and server.process}},
    )


def _lock(home: Path) -> int | None:
    """Lock the home for this process; None when another holds it. The kernel releases the lock when its owner ends."""
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None
