"""One server as a child of this process: launched, waited for, told to end."""

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
#: a line in which a server says why it ends, among those that say what it is
_COMPLAINT = re.compile(
    r"fatal|panic|error|fail|could not|cannot|can't|denied|invalid|illegal|unrecogni[sz]ed|bad directive|no such",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Server:
    """A server that can be launched, and the process that runs it once it is."""

    name: str
    argv: Sequence[str]
    #: where clients find it, password included
    url: str
    account: tuple[int, int] | None
    log: Path
    #: the signal on which it ends well; it is also sent when this program is killed
    polite: signal.Signals
    #: whether it serves clients
    answers: Callable[[], bool]
    process: "subprocess.Popen[bytes] | None" = None
    #: where in the log its latest run begins
    log_begins: int = 0

    def launch(self) -> None:
        """Start it, in a session of its own so that a Ctrl-C is not for it; its output goes to its log."""
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.rename(self.log.with_suffix(".log.1"))
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            self.log_begins = output.tell()
            self.process = subprocess.Popen(
                with_parent_death_signal(self.argv, farewell=self.polite, account=self.account),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env=ENVIRONMENT,
            )

    def comes_up(self, seconds: float = 90) -> bool:
        """Whether it answers within that time; False at once when it ends instead.

        After a crash PostgreSQL first writes every file it has to the disk, which a busy disk takes its time for.
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
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def ended(self) -> str:
        """Return how its process ended."""
        code = self.process.poll() if self.process else None
        return f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"code {code}"

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def end(self, number: signal.Signals, seconds: float = 20) -> None:
        """Stop it with that signal and return when it is gone."""
        self.tell(number)
        self.see_off(seconds)

    def see_off(self, seconds: float = 20) -> None:
        """Return when it is gone; one that was told and does not go is killed, and that is said."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %g s: killed", self.name, seconds)
            self.process.kill()
            self.process.wait()

    def fault(self) -> PostroadError:
        """Return what to tell when it did not come up."""
        return PostroadError(
            f"{self.name} did not start; see {self.log}" + (f": {line}" if (line := self._why()) else "")
        )

    def _why(self) -> str:
        """Return the first line of its latest run that complains, or else the last."""
        with self.log.open("rb") as file:
            file.seek(self.log_begins)
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return next((line for line in lines if _COMPLAINT.search(line)), lines[-1] if lines else "")
