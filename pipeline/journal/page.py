"""One page of a journal: what a portion's process notes of each message, and what a reader may conclude from it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from mmap import mmap
from typing import Final
from uuid import UUID
from zlib import crc32

from pipeline.journal.layout import (
    ANSWER,
    ANSWER_HEAD,
    BY_NUMBER,
    CELL,
    CHECKSUM,
    FIELDS,
    HEAD,
    ID,
    MAGIC,
    OUTCOMES,
    PARTS,
    RUN,
    Layout,
    checksum,
)
from schema.carriage import Attempt
from schema.vocabulary import Outcome

#: messages that a page can hold at most: an answer names its message's place in two bytes
CAPACITY_LIMIT: Final = 0xFFFF
_HANDED = bytes(CELL)
_NO_HEAD = bytes(HEAD.size)
_LONGEST = 0xFFFF
_NO_ANSWER = bytes(ANSWER_HEAD)
_ACCEPTED = OUTCOMES[Outcome.ACCEPTED]


class Unanswered(Enum):
    """What is known of a message that has no answer."""

    #: it was never handed over: it may go out
    NOT_WRITTEN = auto()
    #: it was handed over, or nothing proves that it was not
    IN_DOUBT = auto()


NOT_WRITTEN: Final = Unanswered.NOT_WRITTEN
IN_DOUBT: Final = Unanswered.IN_DOUBT
#: what became of a message, as far as a journal tells
State = Attempt | Unanswered


@dataclass(frozen=True, slots=True)
class Run:
    """Messages of one batch that are sent together, under which fence and as which of their attempts."""

    batch: UUID
    fence: int
    attempt: int
    refs: Sequence[UUID]


#: (batch, fence) → message → its state
Entries = dict[tuple[UUID, int], dict[UUID, State]]


class Page:
    """One portion under way, as its process notes it. Each note is one copy into the map: no lock, no system call."""

    __slots__ = (
        "_at",
        "_base",
        "_cells",
        "_end",
        "_free",
        "_heap",
        "_layout",
        "_leave",
        "_map",
        "_nonce_bytes",
        "_open",
        "_seed",
    )

    def __init__(
        self, mapped: mmap, base: int, layout: Layout, free: Callable[[int], None], leave: Callable[[int], None]
    ) -> None:
        """Take the page's place in the map, and who is told that it is free, or left as it is."""
        self._map, self._base, self._layout = mapped, base, layout
        self._free, self._leave = free, leave
        self._nonce_bytes, self._seed = b"", 0
        self._cells = self._heap = self._end = 0
        #: place in the carrier's call → its message's cell; empty: nothing is noted any more
        self._at: Sequence[int] = ()
        self._open = False

    def write(self, runs: Sequence[Run], nonce: int) -> None:
        """Begin the page: none of these messages is handed over. The head comes last, so that a torn page is none."""
        layout, base, mapped = self._layout, self._base, self._map
        spans = b"".join([RUN.pack(run.batch.bytes, run.fence, run.attempt, len(run.refs)) for run in runs])
        ids = b"".join([ref.bytes for run in runs for ref in run.refs])
        count = len(ids) // ID
        head = HEAD.pack(MAGIC, count, len(runs), nonce)
        self._nonce_bytes, self._seed = nonce.to_bytes(CELL, "little"), nonce & 0xFFFFFFFF
        self._heap, self._end = base + layout.heap, base + layout.size
        mapped[base : base + HEAD.size] = _NO_HEAD
        mapped[base + layout.runs : base + layout.runs + len(spans)] = spans
        mapped[base + layout.ids : base + layout.ids + len(ids)] = ids
        cells = self._cells = base + layout.cells
        mapped[cells : cells + count * CELL] = self._nonce_bytes * count
        mapped[self._heap : self._heap + ANSWER_HEAD] = _NO_ANSWER
        CHECKSUM.pack_into(mapped, base + HEAD.size, checksum(nonce, head, spans, ids))
        mapped[base : base + HEAD.size] = head
        self._at, self._open = range(cells, cells + count * CELL, CELL), True

    def narrow(self, places: Sequence[int]) -> None:
        """Let a carrier's call be about these of the page's messages only, in this order."""
        self._at = [self._at[place] for place in places]

    def submitting(self, place: int) -> None:
        """Note that the message is about to be handed over."""
        at = self._at
        if at:
            self._map[at[place] : at[place] + CELL] = _HANDED

    def unsubmitted(self, place: int) -> None:
        """Note that the message was refused for now, whole, and is kept back to be handed over again."""
        at = self._at
        if at:
            self._map[at[place] : at[place] + CELL] = self._nonce_bytes

    def answered(self, place: int, attempt: Attempt) -> None:
        """Note what became of a message; of one that was never written there is nothing to note."""
        at, outcome = self._at, attempt.outcome
        if not at or outcome is Outcome.NOT_WRITTEN:
            return
        ref, start = attempt.carrier_ref, self._heap
        if outcome is Outcome.ACCEPTED and ref and not (attempt.parts or attempt.code or attempt.detail):
            text, number = ref.encode("utf-8", "replace"), _ACCEPTED
        else:
            text, number = _text(attempt), OUTCOMES[outcome]
        stop = start + ANSWER_HEAD + len(text)
        if stop + ANSWER_HEAD > self._end or len(text) > _LONGEST:
            return
        covered = ANSWER.pack(len(text), (at[place] - self._cells) // CELL, number) + text
        check = CHECKSUM.pack(crc32(covered, self._seed))
        self._map[start : stop + ANSWER_HEAD] = check + covered + _NO_ANSWER
        self._heap = stop

    def release(self) -> None:
        """Forget the page: what it says is committed, or was never marked."""
        if self._open:
            self._at, self._open = (), False
            self._map[self._base : self._base + HEAD.size] = _NO_HEAD
            self._free(self._base)

    def leave(self) -> None:
        """Keep the page for whoever settles its messages: its process will not. What is noted late still counts."""
        if self._open:
            self._open = False
            self._leave(self._base)


def _text(attempt: Attempt) -> bytes:
    """Return what is kept of an attempt beside its outcome."""
    wait = "" if attempt.retry_after is None else repr(attempt.retry_after)
    fields = [attempt.carrier_ref or "", attempt.code or "", attempt.detail or "", wait, PARTS.join(attempt.parts)]
    return FIELDS.join(fields).encode("utf-8", "replace")


def _attempt(ref: UUID, outcome: Outcome, text: bytes) -> Attempt:
    """Return the attempt that a text was made of; ValueError if it was made of none."""
    whole = text.decode()
    if FIELDS not in whole:
        return Attempt(ref, outcome, whole or None)
    given, code, detail, wait, parts = whole.split(FIELDS)
    return Attempt(
        ref,
        outcome,
        given or None,
        code=code or None,
        detail=detail or None,
        retry_after=float(wait) if wait else None,
        parts=tuple(parts.split(PARTS)) if parts else (),
    )


def read(octets: bytes, layout: Layout) -> Entries:
    """Return what one page tells; nothing where it cannot be believed."""
    found: Entries = {}
    if len(octets) < layout.heap:
        return found
    magic, count, runs, nonce = HEAD.unpack_from(octets)
    if magic != MAGIC or count > layout.capacity or runs > layout.capacity:
        return found
    spans = octets[layout.runs : layout.runs + runs * RUN.size]
    ids = octets[layout.ids : layout.ids + count * ID]
    if CHECKSUM.unpack_from(octets, HEAD.size)[0] != checksum(nonce, octets[: HEAD.size], spans, ids):
        return found
    answers = _answers(octets[layout.heap : layout.size], nonce, count)
    proof = nonce.to_bytes(CELL, "little")
    place = 0
    for batch, fence, _, size in RUN.iter_unpack(spans):
        states = found.setdefault((UUID(bytes=batch), fence), {})
        for at in range(place, place + size):
            ref, cell = UUID(bytes=ids[at * ID : at * ID + ID]), layout.cells + at * CELL
            answer = answers.get(at)
            if answer is not None:
                states[ref] = _believed(ref, *answer)
            else:
                states[ref] = NOT_WRITTEN if octets[cell : cell + CELL] == proof else IN_DOUBT
        place += size
    return found


def _believed(ref: UUID, outcome: Outcome, text: bytes) -> State:
    try:
        return _attempt(ref, outcome, text)
    except ValueError:
        return IN_DOUBT


def _answers(heap: bytes, nonce: int, count: int) -> dict[int, tuple[Outcome, bytes]]:
    """Return the answers by place, up to the first that does not check; the last about a message counts."""
    found: dict[int, tuple[Outcome, bytes]] = {}
    start = 0
    while start + ANSWER_HEAD <= len(heap):
        length, place, number = ANSWER.unpack_from(heap, start + CHECKSUM.size)
        stop = start + ANSWER_HEAD + length
        [given] = CHECKSUM.unpack_from(heap, start)
        if stop > len(heap) or given != checksum(nonce, heap[start + CHECKSUM.size : stop]):
            break
        if place >= count or number not in BY_NUMBER:
            break
        found[place] = BY_NUMBER[number], heap[start + ANSWER_HEAD : stop]
        start = stop
    return found


def merged(pages: Iterable[Mapping[tuple[UUID, int], Mapping[UUID, State]]]) -> Entries:
    """Return what several pages tell together: of a message in two of them the doubt counts, then the answer."""
    found: Entries = {}
    for page in pages:
        for key, states in page.items():
            known = found.setdefault(key, {})
            for ref, state in states.items():
                if ref not in known or _weight(state) > _weight(known[ref]):
                    known[ref] = state
    return found


def _weight(state: State) -> int:
    return {NOT_WRITTEN: 0, IN_DOUBT: 2}[state] if isinstance(state, Unanswered) else 1
