"""Stops an orphaned server of an earlier start, identified by its pid file and command line, never by pid alone."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def clear(pid_file: Path, mark: str, stop_signal: signal.Signals, seconds: float = 20) -> None:
    """Stop the server of this pid file, if it still runs, and delete the file.

    `mark` is a part of its command line that no other has. Another process with a recycled pid is left alone.
    """
    try:
        pid = int(pid_file.read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        pid = 0

    if pid and mark in command(pid):
        os.kill(pid, stop_signal)
        if not _ended(pid, mark, seconds):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _ended(pid, mark, seconds)
    pid_file.unlink(missing_ok=True)


def command(pid: int) -> str:
    """Return the command line of a process; empty when there is none, or only a zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    if Path("/proc/self/cmdline").exists():
        return ""
    with suppress(OSError):
        listing = ["ps", "-o", "command=", "-p", str(pid)]
        return subprocess.run(listing, check=False, capture_output=True, text=True).stdout
    return ""


def _ended(pid: int, mark: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while mark in command(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
