"""The embedded pair, PostgreSQL and Valkey, for whoever has none: its data stay in ./.postroad, it ends with its owner.

A server is started only where no URL is configured for it. The pip wheels' programs come first, because they are what
the tests run on; then the machine's own. On Linux the servers end with the program that started them even when that is
killed with -9 (workers/processes/parent_death_signal.py); elsewhere the next start stops what was left.
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
from workers import local_state
from workers.lab.embedded import postgres, valkey
from workers.lab.embedded.data_folder import DataFolder, choose
from workers.lab.embedded.restart_watch import RestartWatch
from workers.lab.embedded.server_process import Server
from workers.local_servers import RunningServers, run_file, running

log = logging.getLogger(__name__)

_TRIES = 3
_MODES = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


@dataclass(slots=True)
class EmbeddedServers:
    """PostgreSQL and Valkey as this program uses them; those it started itself it also stops."""

    database_url: str
    broker_url: str
    home: Path
    postgres: Server | None = None
    valkey: Server | None = None
    #: the open lock file; None: another process owns the servers, or nobody needs to
    lock: int | None = None
    owner: int = field(default_factory=os.getpid)

    @property
    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to use the same servers."""
        return {"POSTROAD_DATABASE_URL": self.database_url, "POSTROAD_BROKER_URL": self.broker_url}

    def stop(self) -> None:
        """Stop what this process started, both at once; what it found running is left alone."""
        if self.lock is None or self.owner != os.getpid():
            return
        ours = [server for server in (self.valkey, self.postgres) if server]
        for server in ours:
            server.tell(server.polite)
        for server in ours:
            server.see_off()
        run_file(self.home).unlink(missing_ok=True)
        os.close(self.lock)
        self.lock = None
        atexit.unregister(self.stop)

    def watch(self) -> RestartWatch:
        """Return what starts a server of ours again that ended by itself: look at it from the main thread."""
        return RestartWatch([server for server in (self.valkey, self.postgres) if server], lambda: _announce(self))

    def restart_postgres(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop our PostgreSQL in that mode ("immediate" is a crash) and start it on the same port and data."""
        self._again(self._owned("postgres"), _MODES[mode])

    def kill_valkey(self) -> None:
        """Kill our Valkey with -9; up to a second of writes may be lost."""
        self._owned("valkey").end(signal.SIGKILL)

    def restart_valkey(self) -> None:
        """Start our Valkey, stopped first if it runs, on the same port and data."""
        self._again(self._owned("valkey"), signal.SIGTERM)

    def _owned(self, name: Literal["postgres", "valkey"]) -> Server:
        server: Server | None = getattr(self, name)
        if server is None:
            raise PostroadError(f"{name} was not started by this process")
        return server

    def _again(self, server: Server, number: signal.Signals) -> None:
        server.end(number)
        server.launch()
        if not server.comes_up():
            raise server.fault()
        _announce(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def start(settings: Settings, seconds: float = 60) -> EmbeddedServers:
    """Return the pair: configured URLs as they are, a running pair of the same home adopted, the rest started.

    Call it from the main thread: on Linux the servers end with the thread that started them.
    """
    database_url = settings.database_url.get_secret_value()
    broker_url = settings.broker_url.get_secret_value()
    home = settings.home.resolve()
    if database_url and broker_url:
        return EmbeddedServers(database_url, broker_url, home)

    place = choose(home)
    deadline = time.monotonic() + seconds
    while (lock := _lock(home)) is None:
        if found := running(home):
            log.info("using the servers that process %d started in %s", found.owner, home)
            return _adopted(database_url, broker_url, home, found)
        if time.monotonic() > deadline:
            raise PostroadError(f"another process holds {home}, but its servers do not answer; see {home / 'logs'}")
        time.sleep(0.05)
    return _started(EmbeddedServers(database_url, broker_url, home, lock=lock), place)


@contextmanager
def temporary() -> Iterator[EmbeddedServers]:
    """Yield a pair in a folder of its own that is gone afterwards: for tests and benchmarks."""
    home = Path(tempfile.mkdtemp(prefix="postroad-"))
    home.chmod(0o755)
    try:
        with start(Settings(database_url="", broker_url="", home=home)) as pair:
            yield pair
    finally:
        shutil.rmtree(home)


def _adopted(database_url: str, broker_url: str, home: Path, found: RunningServers) -> EmbeddedServers:
    pair = EmbeddedServers(database_url or found.database_url, broker_url or found.broker_url, home)
    for url, name in ((pair.database_url, "DATABASE_URL"), (pair.broker_url, "BROKER_URL")):
        if not url:
            raise ConfigurationError(f"process {found.owner} runs in {home} with a {name} of its own: set it here too")
    return pair


def _started(pair: EmbeddedServers, place: DataFolder) -> EmbeddedServers:
    atexit.register(pair.stop)
    try:
        if not pair.broker_url:
            pair.valkey = _launched(place, valkey.prepare)
        if not pair.database_url:
            pair.postgres = _launched(place, postgres.prepare)
        if pair.valkey:
            pair.valkey = _up(pair.valkey, place, valkey.prepare)
            pair.broker_url = pair.valkey.url
        if pair.postgres:
            pair.postgres = _up(pair.postgres, place, postgres.prepare)
            pair.database_url = pair.postgres.url
        _announce(pair)
    except BaseException:
        pair.stop()
        raise
    return pair


def _launched(place: DataFolder, prepare: Callable[[DataFolder], Server]) -> Server:
    server = prepare(place)
    server.launch()
    return server


def _up(server: Server, place: DataFolder, prepare: Callable[[DataFolder], Server]) -> Server:
    """Wait for it; one that ended is tried again: its port was taken meanwhile, or its forerunner not quite gone."""
    for _ in range(_TRIES - 1):
        if server.comes_up():
            return server
        if server.runs():
            break
        time.sleep(0.2)
        server = _launched(place, prepare)
    if server.comes_up():
        return server
    server.end(signal.SIGKILL)
    raise server.fault()


def _announce(pair: EmbeddedServers) -> None:
    """Write the run file, by which other processes find the pair."""
    ours = {"database_url": pair.postgres, "broker_url": pair.valkey}
    local_state.write(
        run_file(pair.home),
        {name: server.url if server else "" for name, server in ours.items()}
        | {"owner": pair.owner}
        | {"pids": {server.name: server.process.pid for server in ours.values() if server and server.process}},
    )


def _lock(home: Path) -> int | None:
    """Take the home for this process; None when another has it. The kernel gives it back when its owner ends."""
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None
