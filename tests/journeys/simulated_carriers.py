"""Carriers of the simulator over HTTP or SMPP for an installation, with its log as their log."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.error import URLError

from pipeline.store import accounts, wallet_ledger
from tests.carriers.simulator import ask, both
from tests.journeys.installation import Installation, wait_for
from workers.lab.simulator.scripts import smpp_settings
from workers.processes.parent_death_signal import with_parent_death_signal

#: processes that deliver messages; those of single carriers are added as "carriers alpha"
PROCESSES = ("worker", "lane", "clock", "beat")


@contextmanager
def far_ends(
    installation: Installation,
    kind: str,
    settings: dict[str, Any] | None = None,
    portion: int = 100,
    **scripts: dict[str, Any],
) -> Iterator[str]:
    """Run a simulator of these carriers and write their rows, the first with the highest priority; yield its URL."""
    given = {"deadline": 2, "call_deadline": 3} | (settings or {})
    with both(installation.home / "oracle.log", None, **scripts) as (url, port):
        installation.play(**{name: {} for name in scripts})
        for name, script in scripts.items():
            where = {"base_url": url} if kind == "http" else smpp_settings(name, script, "127.0.0.1", port)
            installation.configure(name, kind, **where | given)
        lease = f"{3 * given['call_deadline'] + 1:g}"
        installation.environment |= {"POSTROAD_LEASE_SECONDS": lease, "POSTROAD_PORTION_SIZE": str(portion)}
        yield url


def add_account(installation: Installation, name: str) -> None:
    """Add an account with money and the sender ACME."""
    with installation.world.rt.begin() as conn:
        made = accounts.create(conn, name, "NGN")
        assert made is not None
        accounts.set_sender(conn, made, "ACME")
        wallet_ledger.top_up(conn, made, 1_000_000, "test", datetime.now(UTC))


def statuses(installation: Installation) -> dict[str, int]:
    """Return status → number of messages; "" for undecided ones."""
    return dict(installation.rows("SELECT coalesce(status, ''), count(*) FROM messages GROUP BY 1"))


def undecided(installation: Installation) -> int:
    """Return the number of messages without a status of their own."""
    return installation.count("SELECT count(*) FROM messages WHERE status IS NULL")


class Station:
    """One carrier's simulator in its own process, which can stop and start again on the same port."""

    def __init__(self, installation: Installation, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
            self.port, self.smpp_port = first.getsockname()[1], second.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.name = name
        self._log = installation.home / "oracle.log"
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, kind: str) -> dict[str, Any]:
        """Return the settings of a carrier that connects to it."""
        return {"base_url": self.url} if kind == "http" else smpp_settings(self.name, {}, "127.0.0.1", self.smpp_port)

    def open(self) -> None:
        """Start it; it accepts and delivers everything."""
        argv = [sys.executable, "-m", "workers.cli", "simulator", "--carrier", self.name, "--log", str(self._log)]
        argv += ["--port", str(self.port), "--smpp-port", str(self.smpp_port)]
        self._process = subprocess.Popen(
            with_parent_death_signal(argv, stop_signal=signal.SIGKILL), stdout=subprocess.DEVNULL
        )
        wait_for(self._answers, why=f"{self.name} is there")

    def play(self, **script: Any) -> None:
        """Replace the script."""
        ask(f"{self.url}/{self.name}/script", "PUT", script)

    def close(self) -> None:
        """Stop it."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait(10)

    def _answers(self) -> bool:
        try:
            return bool(ask(f"{self.url}/healthz"))
        except (URLError, OSError):
            return False
