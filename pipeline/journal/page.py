"""One page of a journal: notes each message's submit and answer; and what can be concluded from it afterwards."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from mmap import mmap
from typing import Final
from uuid import UUID
from zlib import crc32

from pipeline.journal.layout import (
    ANSWER,
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
    seed,
)
from schema.carriage import Attempt
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

#: maximum messages of a page: an answer has the message's index in two bytes
CAPACITY_LIMIT: Final = 0xFFFF
_NO_HEAD = bytes(HEAD.size)
_LONGEST = 0xFFFF
_NO_ANSWER = bytes(ANSWER.size)
_note, _answer = CELL.pack_into, ANSWER.pack_into
_TAKEN, _NEVER = Outcome.ACCEPTED, Outcome.NOT_WRITTEN


class Unanswered(Enum):
    """The state of a message without an answer."""

    #: it was never submitted: it may be sent
    NOT_WRITTEN = auto()
    #: it was submitted, or may have been
    IN_DOUBT = auto()


NOT_WRITTEN: Final = Unanswered.NOT_WRITTEN
IN_DOUBT: Final = Unanswered.IN_DOUBT
#: a message's state by a journal
State = Attempt | Unanswered


@dataclass(frozen=True, slots=True)
class Run:
    """Messages of one batch that are submitted together, with its fence and their attempt's number."""

    batch: UUID
    fence: int
    attempt: int
    refs: Sequence[UUID]


#: a claim: batch and fence
Claimed = tuple[UUID, int]


@dataclass(slots=True)
class Entries:
    """The content of a journal."""

    states: dict[Claimed, dict[UUID, State]] = field(default_factory=dict)
    #: claims all of whose requests were encoded: those of their messages not submitted were still waiting
    ready: set[Claimed] = field(default_factory=set)


class JournalPage:
    """The page of one portion in progress. A note is a copy into the map: no lock, no system call."""

    #: what a carrier asks before it submits a message (`SubmitNotes`): nothing
    may_submit: Callable[[int], bool] | None = None

    __slots__ = ("_base", "_cells", "_end", "_free", "_heap", "_layout", "_leave", "_map", "_nonce", "_open", "_where")

    def __init__(
        self, mapped: mmap, base: int, layout: Layout, free: Callable[[int], None], leave: Callable[[int], None]
    ) -> None:
        """Take the page's offset in the map, and the callbacks for releasing and leaving it."""
        self._map, self._base, self._layout = mapped, base, layout
        self._free, self._leave = free, leave
        self._cells, self._heap, self._end = base + layout.cells, base + layout.heap, base + layout.size
        self._nonce = 0
        #: index in the carrier's call → index in the page; empty: nothing is noted any more
        self._where: Sequence[int] = ()
        self._open = False

    def write(self, runs: Sequence[Run], nonce: int) -> None:
        """Begin the page: none of these messages is submitted. The head is written last, so a torn page is invalid."""
        layout, base, mapped = self._layout, self._base, self._map
        spans = b"".join([RUN.pack(run.batch.bytes, run.fence, run.attempt, len(run.refs)) for run in runs])
        ids = b"".join([ref.bytes for run in runs for ref in run.refs])
        count = len(ids) // ID
        head = HEAD.pack(MAGIC, count, len(runs), nonce)
        mapped[base : base + HEAD.size] = _NO_HEAD
        CELL.pack_into(mapped, base + layout.ready, 0)
        mapped[base + layout.runs : base + layout.runs + len(spans)] = spans
        mapped[base + layout.ids : base + layout.ids + len(ids)] = ids
        mapped[self._cells : self._cells + count * CELL.size] = CELL.pack(nonce) * count
        mapped[self._heap : self._heap + ANSWER.size] = _NO_ANSWER
        CHECKSUM.pack_into(mapped, base + HEAD.size, checksum(nonce, head, spans, ids))
        mapped[base : base + HEAD.size] = head
        self._nonce, self._where, self._open = nonce, range(count), True

    def narrow(self, places: Sequence[int]) -> None:
        """Limit the carrier's next call to these of the page's messages, in this order."""
        self._where = [self._where[place] for place in places]

    def ready(self) -> None:
        """Note that all requests of the page are encoded."""
        if self._where:
            _note(self._map, self._base + self._layout.ready, self._nonce)

    def submitting(self, place: int) -> None:
        """Note that the message is about to be submitted."""
        if where := self._where:
            _note(self._map, self._cells + 8 * where[place], 0)

    def unsubmitted(self, place: int) -> None:
        """Note that the whole message was throttled, and is kept for another submit."""
        if where := self._where:
            _note(self._map, self._cells + 8 * where[place], self._nonce)

    def answered(self, place: int, attempt: Attempt) -> None:
        """Note a message's attempt; NOT_WRITTEN needs no note."""
        outcome = attempt.outcome
        if not self._where or outcome is _NEVER:
            return
        if outcome is _TAKEN and attempt.code is None and attempt.detail is None and not attempt.parts:
            text = (attempt.carrier_ref or "").encode("utf-8", "replace")
        else:
            text = _text(attempt)
        size, number, at, start = len(text), OUTCOMES[outcome], self._where[place], self._heap
        begin = start + ANSWER.size
        end = begin + size
        if end > self._end or size > _LONGEST:
            return
        _answer(self._map, start, crc32(text, seed(self._nonce, at, number)), size, at, number)
        self._map[begin:end] = text
        self._heap = end

    def release(self) -> None:
        """Release the page: its outcomes are committed, or it was never marked."""
        if self._open:
            self._where, self._open = (), False
            self._map[self._base : self._base + HEAD.size] = _NO_HEAD
            self._free(self._base)

    def leave(self) -> None:
        """Keep the page for the process that will settle its messages: this one will not. Late notes still count."""
        if self._open:
            self._open = False
            self._leave(self._base)


def _text(attempt: Attempt) -> bytes:
    """Return the text that stores an attempt, without its outcome."""
    wait = "" if attempt.retry_after is None else repr(attempt.retry_after)
    said = [attempt.carrier_ref or "", attempt.code or "", attempt.detail or ""]
    fields = [*said, wait, PARTS.join(attempt.parts), str(attempt.reason or "")]
    return FIELDS.join(fields).encode("utf-8", "replace")


def _attempt(ref: UUID, outcome: Outcome, text: bytes) -> Attempt:
    """Return the attempt stored in a text; ValueError if it is malformed."""
    whole = text.decode()
    if FIELDS not in whole:
        return Attempt(ref, outcome, whole or None)
    given, code, detail, wait, parts, reason = whole.split(FIELDS)
    return Attempt(
        ref,
        outcome,
        given or None,
        code=code or None,
        detail=detail or None,
        retry_after=float(wait) if wait else None,
        parts=tuple(parts.split(PARTS)) if parts else (),
        reason=RefusalReason(reason) if reason else None,
    )


def read(octets: bytes, layout: Layout) -> Entries:
    """Return the entries of one page; none where it is damaged."""
    found = Entries()
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
    proof = CELL.pack(nonce)
    is_ready = octets[layout.ready : layout.ready + CELL.size] == proof
    place = 0
    for batch, fence, _, size in RUN.iter_unpack(spans):
        claimed = UUID(bytes=batch), fence
        states = found.states.setdefault(claimed, {})
        if is_ready:
            found.ready.add(claimed)
        for at in range(place, place + size):
            ref, cell = UUID(bytes=ids[at * ID : at * ID + ID]), layout.cells + at * CELL.size
            answer = answers.get(at)
            if answer is not None:
                states[ref] = _believed(ref, *answer)
            else:
                states[ref] = NOT_WRITTEN if octets[cell : cell + CELL.size] == proof else IN_DOUBT
        place += size
    return found


def _believed(ref: UUID, outcome: Outcome, text: bytes) -> State:
    try:
        return _attempt(ref, outcome, text)
    except ValueError:
        return IN_DOUBT


def _answers(heap: bytes, nonce: int, count: int) -> dict[int, tuple[Outcome, bytes]]:
    """Return the answers by index, up to the first with a wrong checksum; the last one of a message counts."""
    found: dict[int, tuple[Outcome, bytes]] = {}
    start = 0
    while start + ANSWER.size <= len(heap):
        given, length, place, number = ANSWER.unpack_from(heap, start)
        text = heap[start + ANSWER.size : start + ANSWER.size + length]
        if len(text) < length or given != crc32(text, seed(nonce, place, number)):
            break
        if place >= count or number not in BY_NUMBER:
            break
        found[place] = BY_NUMBER[number], text
        start += ANSWER.size + length
    return found


def merged(pages: Iterable[Entries]) -> Entries:
    """Return the entries of several pages; of a message in two of them the unknown outcome counts, then the answer."""
    found, unready = Entries(), set[Claimed]()
    for page in pages:
        found.ready |= page.ready
        unready |= page.states.keys() - page.ready
        for claimed, states in page.states.items():
            known = found.states.setdefault(claimed, {})
            for ref, state in states.items():
                if ref not in known or _weight(state) > _weight(known[ref]):
                    known[ref] = state
    found.ready -= unready
    return found


def _weight(state: State) -> int:
    return {NOT_WRITTEN: 0, IN_DOUBT: 2}[state] if isinstance(state, Unanswered) else 1
