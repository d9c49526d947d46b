"""Journals as files: one a process, locked for as long as the process lives, read by whoever comes next on the host."""

import mmap
import os
import random
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from pipeline.journal.layout import Layout
from pipeline.journal.page import Entries, JournalPage, Run, merged, read

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: portions that a process may have under way at once, twice: the next is written down before the last is forgotten
PAGES: Final = 12
#: seconds after which a journal of another boot is removed
_OLD: Final = 86_400.0
_ALIVE, _DEAD, _NEW = ".journal", ".dead", ".new"
#: magic, the host's boot, messages a page, pages; then a checksum
_HEAD = struct.Struct("<16s16sII")
_CHECKSUM = struct.Struct("<I")
_MAGIC = b"postroad journal"
_FIRST = 4096
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> bytes:
    """Return what names this boot of this host; OSError where the system does not tell.

    What was mapped and not yet written back is lost with the host: a journal of another boot proves nothing.
    """
    try:
        return UUID(_BOOT.read_text().strip()).bytes
    except ValueError as error:
        raise OSError(str(error)) from None


class Journal:
    """This process's journal. Made after fork; the lock on its file tells others that the process lives."""

    def __init__(self, path: Path, number: int, mapped: mmap.mmap, layout: Layout) -> None:
        """Take the open and locked file."""
        #: what its process's claims name
        self.id = UUID(path.stem)
        self.capacity = layout.capacity
        self._path, self._file, self._map, self._layout = path, number, mapped, layout
        self._random = random.Random(os.urandom(16))
        bases = range(_FIRST, _FIRST + PAGES * layout.size, layout.size)
        self._free: deque[int] = deque(bases)
        #: pages that their portions' trips left behind: taken again only when no other is free
        self._left: deque[int] = deque()

    @classmethod
    def create(cls, folder: Path, capacity: int) -> "Journal":
        """Create a file for portions of so many messages; OSError where there can be none."""
        if fcntl is None:
            raise OSError("this system locks no files")
        head = _HEAD.pack(_MAGIC, boot(), capacity, PAGES)
        layout = Layout(capacity)
        size = _FIRST + PAGES * layout.size
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{uuid4()}{_ALIVE}"
        fresh = path.with_suffix(_NEW)
        number = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _allocate(number, size)
            os.pwrite(number, head + _CHECKSUM.pack(zlib.crc32(head)), 0)
            mapped = mmap.mmap(number, size)
            fresh.rename(path)  # now that it is locked: a file of this name without a lock is a dead process's
        except BaseException:
            os.close(number)
            with suppress(OSError):
                fresh.unlink()
            raise
        return cls(path, number, mapped, layout)

    def open(self, runs: Sequence[Run]) -> JournalPage | None:
        """Return a page about these messages, none of them handed over yet; None where there is no room."""
        if sum(len(run.refs) for run in runs) > self._layout.capacity:
            return None
        base = self._take()
        if base is None:
            return None
        page = JournalPage(self._map, base, self._layout, self._free.append, self._left.append)
        page.write(runs, self._random.getrandbits(64) | 1)
        return page

    def close(self) -> None:
        """Close the file, and remove it where all is settled; idempotent."""
        if self._map.closed:
            return
        settled = len(self._free) == PAGES
        self._map.close()
        if settled:
            with suppress(OSError):
                self._path.unlink()
        os.close(self._file)

    def _take(self) -> int | None:
        for pages in (self._free, self._left):
            with suppress(IndexError):
                return pages.popleft()
        return None


class DeadJournal:
    """The journal of a process that is no more; nobody else settles by it as long as this one has it open."""

    def __init__(self, path: Path, octets: bytes) -> None:
        """Take the file's path and its content."""
        self.id = UUID(path.stem)
        self._path = path
        self._octets = octets

    def entries(self) -> Entries:
        """Return what it tells of each message; what is damaged tells nothing."""
        _, _, capacity, pages = _HEAD.unpack_from(self._octets)
        layout = Layout(capacity)
        bases = range(_FIRST, _FIRST + pages * layout.size, layout.size)
        return merged(read(self._octets[base : base + layout.size], layout) for base in bases)

    @property
    def is_new(self) -> bool:
        """Whether nobody has said yet that its process holds nothing any more (`retire`)."""
        return self._path.suffix != _DEAD

    def retire(self, seconds: float) -> None:
        """Remove the file once it was found dead so long ago: a commit that its process sent last may come late."""
        with suppress(OSError):
            if self.is_new:
                self._path = self._path.rename(self._path.with_suffix(_DEAD))  # from now on its ctime runs
            elif time.time() - self._path.stat().st_ctime > seconds:
                self._path.unlink()


def dead(folder: Path) -> Iterator[DeadJournal]:
    """Yield the journals of this host's dead processes, each locked until the next is asked for."""
    try:
        paths = [each for each in folder.iterdir() if each.suffix in (_ALIVE, _DEAD, _NEW)]
    except OSError:
        return
    for path in paths:
        with _locked(path) as number:
            if number is None:
                continue
            octets = _content(path, number)
            if octets is not None:
                yield DeadJournal(path, octets)


@contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """Yield the file, locked; None where its process lives, somebody else settles by it, or it is gone."""
    number = None
    try:
        number = os.open(path, os.O_RDWR)
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if number is not None:
            os.close(number)
        yield None
        return
    try:
        yield number
    finally:
        os.close(number)


def _content(path: Path, number: int) -> bytes | None:
    """Return what is in a file; None, and its end after a day, where it proves nothing here and now."""
    with suppress(OSError):
        octets = os.pread(number, os.fstat(number).st_size, 0)
        whole = len(octets) >= _FIRST and path.suffix != _NEW
        if whole and _CHECKSUM.unpack_from(octets, _HEAD.size)[0] == zlib.crc32(octets[: _HEAD.size]):
            magic, made, _, _ = _HEAD.unpack_from(octets)
            if magic == _MAGIC and made == boot():
                return octets
        if time.time() - path.stat().st_mtime > _OLD:
            path.unlink()
    return None


def _allocate(number: int, size: int) -> None:
    """Give the file its bytes: a hole that the disk has no room for would kill whoever writes into the map."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(number, 0, size)
    else:  # macOS
        os.pwrite(number, bytes(size), 0)
