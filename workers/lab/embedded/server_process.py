"""An embedded server as a child process: launched, awaited, signalled, stopped."""

import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PostroadError
from workers.lab.embedded.data_folder import ENVIRONMENT
from workers.processes.parent_death_signal import with_parent_death_signal

log = logging.getLogger(__name__)

_LARGEST_LOG = 10_000_000
#: matches a log line that says why a server ended
_COMPLAINT = re.compile(
    r"fatal|panic|error|fail|could not|cannot|can't|denied|invalid|illegal|unrecogni[sz]ed|bad directive|no such",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Server:
    """A server that can be launched, and the process that runs it once it is."""

    name: str
    argv: Sequence[str]
    #: its URL for clients, with the password
    url: str
    account: tuple[int, int] | None
    log: Path
    #: the signal for a clean stop; also sent when this program is killed
    stop_signal: signal.Signals
    #: whether it accepts clients
    answers: Callable[[], bool]
    process: "subprocess.Popen[bytes] | None" = None
    #: offset in the log at which its latest run begins
    log_begins: int = 0

    def launch(self) -> None:
        """Start it in its own session, so that it gets no Ctrl-C; its output goes to its log."""
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.rename(self.log.with_suffix(".log.1"))
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            self.log_begins = output.tell()
            self.process = subprocess.Popen(
                with_parent_death_signal(self.argv, stop_signal=self.stop_signal, account=self.account),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env=ENVIRONMENT,
            )

    def becomes_ready(self, seconds: float = 90) -> bool:
        """Return whether it answers within that time; False at once when it ends instead.

        After a crash PostgreSQL first syncs all its files, which takes long on a busy disk.
        """
        deadline = time.monotonic() + seconds
        while self.runs():
            if self.answers():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return False

    def runs(self) -> bool:
        """Return whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def ended(self) -> str:
        """Return how its process ended."""
        code = self.process.poll() if self.process else None
        return f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"code {code}"

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def end(self, number: signal.Signals, seconds: float = 20) -> None:
        """Stop it with that signal and return when it has ended."""
        self.send_signal(number)
        self.await_end(seconds)

    def await_end(self, seconds: float = 20) -> None:
        """Wait until it has ended; kill it after a timeout, with a log line."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %g s: killed", self.name, seconds)
            self.process.kill()
            self.process.wait()

    def fault(self) -> PostroadError:
        """Return the error for a failed start."""
        return PostroadError(
            f"{self.name} did not start; see {self.log}" + (f": {line}" if (line := self._why()) else "")
        )

    def _why(self) -> str:
        """Return the first log line of its latest run that reports an error, else the last line."""
        with self.log.open("rb") as file:
            file.seek(self.log_begins)
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return next((line for line in lines if _COMPLAINT.search(line)), lines[-1] if lines else "")
