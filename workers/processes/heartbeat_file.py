"""Heartbeats: a file for each process of this host, written by the loop that does its work, read by `postroad health`.

A process that works otherwise than by a loop of its own writes what shows that work goes through: beat writes after it
has published, a worker when its pool has run something (workers/broker/pool_heartbeat.py).
"""

import atexit
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

#: seconds between two writes
PERIOD = 2.0


@dataclass(frozen=True, slots=True)
class HeartbeatRecord:
    """What a process wrote last. Times are of the clock that all processes of a host share (CLOCK_MONOTONIC)."""

    pid: int
    #: when its loop last ran
    looped_at: float
    #: when work went through
    worked_at: float
    #: processes that it keeps, each with a heartbeat of its own
    children: Sequence[str]


class Heartbeat:
    """The heartbeat of this process. Its file is removed when the process ends, unless it is killed."""

    def __init__(self, home: Path, name: str) -> None:
        """Remove the files of killed processes of this name; nothing is written yet."""
        self._path = _folder(home) / f"{_stem(name)}.{os.getpid()}"
        self._written_at = float("-inf")
        self._worked_at = time.monotonic()
        for path, record in _found(home, name):
            if record is None or not is_running(record.pid):
                path.unlink(missing_ok=True)
        atexit.register(self._remove, os.getpid())

    def beat(self, *, worked: bool = True, children: Sequence[str] = ()) -> None:
        """Note that the loop runs, and whether work went through; written at most every half PERIOD."""
        now = time.monotonic()
        if worked:
            self._worked_at = now
        if now - self._written_at < PERIOD / 2:
            return
        self._written_at = now
        try:
            self._write(json.dumps({"looped_at": now, "worked_at": self._worked_at, "children": list(children)}))
        except OSError as error:
            log.warning("cannot write the heartbeat %s: %s", self._path, error.strerror)
            self._written_at = now + 60

    def _write(self, content: str) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}-")
        draft.write_text(content)
        draft.replace(self._path)

    def _remove(self, owner: int) -> None:
        if os.getpid() == owner:  # and not a fork of it
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def records(home: Path, name: str) -> list[HeartbeatRecord]:
    """Return the heartbeats of this host's processes of that name."""
    return [record for _, record in _found(home, name) if record is not None]


def is_running(pid: int) -> bool:
    """Tell whether there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _found(home: Path, name: str) -> Iterator[tuple[Path, HeartbeatRecord | None]]:
    """Yield the files of that name, None for one that is unreadable."""
    for path in sorted(_folder(home).glob(f"{_stem(name)}.*")):
        pid = path.name.removeprefix(f"{_stem(name)}.")
        if pid.isdecimal():
            try:
                yield path, HeartbeatRecord(int(pid), **json.loads(path.read_text()))
            except FileNotFoundError:
                continue
            except (TypeError, ValueError, OSError):
                yield path, None


def _folder(home: Path) -> Path:
    return home / "health"


def _stem(name: str) -> str:
    """Return a name, which has no dot, as a file's."""
    return name.replace("/", "-")
