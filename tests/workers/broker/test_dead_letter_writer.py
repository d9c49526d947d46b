"""The writer of dead letters: bounded memory, order, retries, and a deadline."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schema.dead_letter import DeadLetter
from workers.broker import dead_letter_writer
from workers.broker.dead_letter_writer import AT_ONCE, HELD, LARGEST, DeadLetterWriter
from workers.broker.rejections import Malformed, Reason

FAULT = Malformed(Reason.NOT_JSON)


class Writer:
    """Writes when it is told to, or says that it cannot."""

    def __init__(self) -> None:
        self.batches: list[tuple[Sequence[DeadLetter], Callable[[bool], None]]] = []
        self.alarms: list[Callable[[], None]] = []
        self.written: list[bytes] = []

    def write(self, letters: Sequence[DeadLetter], done: Callable[[bool], None]) -> None:
        self.batches.append((letters, done))

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.alarms.append(call)

    def answer(self, ok: bool) -> None:
        letters, done = self.batches.pop(0)
        self.written += [each.payload for each in letters] if ok else []
        done(ok)


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def keeper(writer: Writer) -> DeadLetterWriter:
    made = DeadLetterWriter()
    made.start(writer.write, writer.later)
    return made


def test_dead_letters_are_written_one_batch_at_a_time_and_none_is_lost(
    keeper: DeadLetterWriter, writer: Writer
) -> None:
    sent = [b"%d" % n for n in range(AT_ONCE + 50)]

    for each in sent:
        keeper.put("ingest", FAULT, each)
    assert [len(letters) for letters, _ in writer.batches] == [1]
    while writer.batches:
        assert len(writer.batches) == 1
        writer.answer(True)

    assert writer.written == sent


def test_dead_letters_whose_write_failed_are_written_again_in_order(keeper: DeadLetterWriter, writer: Writer) -> None:
    for each in (b"a", b"b", b"c"):
        keeper.put("ingest", FAULT, each)
    writer.answer(False)
    assert writer.batches == []

    writer.alarms.pop()()
    writer.answer(True)

    assert writer.written == [b"a", b"b", b"c"]


def test_dead_letters_that_cannot_be_written_before_the_deadline_are_dropped_and_logged(
    keeper: DeadLetterWriter, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = itertools.count(0, dead_letter_writer.DEADLINE + 1)
    monkeypatch.setattr("workers.broker.dead_letter_writer.time.monotonic", lambda: next(clock))

    keeper.put("ingest", FAULT, b"a")
    writer.answer(False)

    assert "1 rejected messages could not be kept" in caplog.text
    writer.alarms.pop()()
    assert writer.batches == []


def test_dead_letters_beyond_the_memory_limit_are_dropped_and_logged(
    keeper: DeadLetterWriter, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(HELD + 3):
        keeper.put("ingest", FAULT, b"a")

    assert caplog.text.count("was not kept") == 2  # one is on its way


def test_a_payload_above_the_limit_is_truncated_and_its_length_is_stored(
    keeper: DeadLetterWriter, writer: Writer
) -> None:
    keeper.put("ingest", FAULT, b"a" * (LARGEST + 1))

    [letter] = writer.batches[0][0]
    assert (len(letter.payload), letter.length) == (LARGEST, LARGEST + 1)


def test_dead_letters_are_kept_when_the_write_raises_and_written_after_the_next_start(writer: Writer) -> None:
    keeper = DeadLetterWriter()

    def refuse(*_: Any) -> None:
        raise OSError

    keeper.start(refuse, writer.later)
    keeper.put("ingest", FAULT, b"a")

    keeper.start(writer.write, writer.later)
    writer.answer(True)
    assert writer.written == [b"a"]
