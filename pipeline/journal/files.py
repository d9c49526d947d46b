"""Journal files: one per process, locked while the process lives, read after its death by another on the host."""

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

#: twice the portions a process has in progress at once: the next is noted before the last is released
PAGES: Final = 12
#: seconds after which a journal of an earlier boot is removed
_OLD: Final = 86_400.0
_ALIVE, _DEAD, _NEW = ".journal", ".dead", ".new"
#: magic, the host's boot, messages a page, pages; then a checksum
_HEAD = struct.Struct("<16s16sII")
_CHECKSUM = struct.Struct("<I")
_MAGIC = b"postroad journal"
_FIRST = 4096
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> bytes:
    """Return the boot id of this host; OSError where the system has none.

    Mapped pages not yet written back are lost in a crash of the host: a journal of an earlier boot proves nothing.
    """
    try:
        return UUID(_BOOT.read_text().strip()).bytes
    except ValueError as error:
        raise OSError(str(error)) from None


class Journal:
    """This process's journal. Created after fork; the lock on its file shows that the process lives."""

    def __init__(self, path: Path, number: int, mapped: mmap.mmap, layout: Layout) -> None:
        """Take the open and locked file."""
        #: its id in the batches that its process claims
        self.id = UUID(path.stem)
        self.capacity = layout.capacity
        self._path, self._file, self._map, self._layout = path, number, mapped, layout
        self._random = random.Random(os.urandom(16))
        bases = range(_FIRST, _FIRST + PAGES * layout.size, layout.size)
        self._free: deque[int] = deque(bases)
        #: pages with unsettled messages: reused only when no other is free
        self._left: deque[int] = deque()

    @classmethod
    def create(cls, folder: Path, capacity: int) -> "Journal":
        """Create a file for portions of `capacity` messages; OSError where that is impossible."""
        if fcntl is None:
            raise OSError("this system has no file locks")
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
            fresh.rename(path)  # it is locked now: an unlocked file under this name is a dead process's
        except BaseException:
            os.close(number)
            with suppress(OSError):
                fresh.unlink()
            raise
        return cls(path, number, mapped, layout)

    def open(self, runs: Sequence[Run]) -> JournalPage | None:
        """Return a page for these messages, none of them submitted yet; None where there is no free page."""
        if sum(len(run.refs) for run in runs) > self._layout.capacity:
            return None
        base = self._take()
        if base is None:
            return None
        page = JournalPage(self._map, base, self._layout, self._free.append, self._left.append)
        page.write(runs, self._random.getrandbits(64) | 1)
        return page

    def close(self) -> None:
        """Close the file, and remove it if all is settled; idempotent."""
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
    """The journal of a dead process, locked against other readers while it is open here."""

    def __init__(self, path: Path, octets: bytes) -> None:
        """Take the file's path and content."""
        self.id = UUID(path.stem)
        self._path = path
        self._octets = octets

    def entries(self) -> Entries:
        """Return the state of each message; damaged parts yield none."""
        _, _, capacity, pages = _HEAD.unpack_from(self._octets)
        layout = Layout(capacity)
        bases = range(_FIRST, _FIRST + pages * layout.size, layout.size)
        return merged(read(self._octets[base : base + layout.size], layout) for base in bases)

    @property
    def is_new(self) -> bool:
        """Whether `retire` has not been called for it yet."""
        return self._path.suffix != _DEAD

    def retire(self, seconds: float) -> None:
        """Remove the file this long after it was first found dead: a last commit of its process may arrive late."""
        with suppress(OSError):
            if self.is_new:
                self._path = self._path.rename(self._path.with_suffix(_DEAD))  # renaming sets its ctime
            elif time.time() - self._path.stat().st_ctime > seconds:
                self._path.unlink()


def dead(folder: Path) -> Iterator[DeadJournal]:
    """Yield the journals of this host's dead processes, each locked until the next is requested."""
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
    """Yield the file, locked; None where its process lives, another process reads it, or it is gone."""
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
    """Return a file's content; None where it proves nothing, and remove it then after a day."""
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
    """Allocate the file's bytes: in a sparse file, writing to the map with a full disk would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(number, 0, size)
    else:  # macOS
        os.pwrite(number, bytes(size), 0)
