"""Journal files: the notes of a dead process are read back, and damaged files never prove that nothing was sent."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.journal import IN_DOUBT, NOT_WRITTEN, Journal, JournalPage, Run, State, dead, files
from pipeline.journal.layout import Layout
from schema.carriage import Attempt
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

BATCH, FENCE = uuid4(), 7
REFS = [UUID(int=n) for n in range(1, 9)]
ANSWERS = [
    Attempt(REFS[0], Outcome.ACCEPTED, "id-1"),
    Attempt(REFS[0], Outcome.ACCEPTED),
    Attempt(REFS[0], Outcome.ACCEPTED, "id-1", parts=("id-1", "id-2")),
    Attempt(REFS[0], Outcome.ACCEPTED, "17", detail="message_state 2"),
    Attempt(REFS[0], Outcome.REFUSED_PERMANENT, code="RINVDSTADR"),
    Attempt(REFS[0], Outcome.REFUSED_TRANSIENT, code="throttled", detail="RTHROTTLED", retry_after=2.5),
    Attempt(REFS[0], Outcome.REFUSED_TRANSIENT, code="RSYSERR"),
    Attempt(REFS[0], Outcome.REFUSED_PERMANENT, code="21", reason=next(iter(RefusalReason))),
    Attempt(REFS[0], Outcome.UNKNOWN, code="timeout"),
    Attempt(REFS[0], Outcome.UNKNOWN, code="partial", detail="1 of 2", parts=("id-1",)),
]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.create(tmp_path, 8)
    yield made
    made.close()


def page_of(journal: Journal, refs: list[UUID] = REFS, fence: int = FENCE) -> JournalPage:
    page = journal.open([Run(BATCH, fence, 1, refs)])
    assert page is not None
    return page


def reported(folder: Path) -> dict[UUID, State]:
    """Return what the journal of the one dead process in a folder tells of the batch."""
    [found] = dead(folder)
    return found.entries().states.get((BATCH, FENCE), {})


# What is read back -----------------------------------------------------------------------------------------------


def test_the_last_noted_state_of_each_message_is_read_back(journal: Journal, tmp_path: Path) -> None:
    page = page_of(journal)
    for place in (0, 1, 2):
        page.submitting(place)
    page.answered(1, Attempt(REFS[1], Outcome.ACCEPTED, "id-1"))
    page.unsubmitted(2)
    journal.close()

    assert reported(tmp_path) == {
        **dict.fromkeys(REFS[2:], NOT_WRITTEN),
        REFS[0]: IN_DOUBT,
        REFS[1]: Attempt(REFS[1], Outcome.ACCEPTED, "id-1"),
    }


@pytest.mark.parametrize("attempt", ANSWERS, ids=lambda each: f"{each.outcome} {each.code} {each.carrier_ref}")
def test_every_field_of_an_attempt_is_read_back(journal: Journal, tmp_path: Path, attempt: Attempt) -> None:
    page = page_of(journal)
    page.submitting(0)
    page.answered(0, attempt)
    journal.close()

    assert reported(tmp_path)[REFS[0]] == attempt


def test_the_sample_attempts_cover_every_field() -> None:
    kept = {each.name for each in fields(Attempt) if any(getattr(answer, each.name) for answer in ANSWERS)}

    assert kept == {each.name for each in fields(Attempt)}


def test_a_later_answer_replaces_an_earlier_one(journal: Journal, tmp_path: Path) -> None:
    page = page_of(journal)
    page.submitting(3)
    page.answered(3, Attempt(REFS[3], Outcome.UNKNOWN, code="timeout"))
    page.answered(3, Attempt(REFS[3], Outcome.ACCEPTED, "late"))
    journal.close()

    assert reported(tmp_path)[REFS[3]] == Attempt(REFS[3], Outcome.ACCEPTED, "late")


def test_a_not_written_attempt_is_read_back_as_not_written(journal: Journal, tmp_path: Path) -> None:
    page = page_of(journal)
    page.answered(0, Attempt(REFS[0], Outcome.NOT_WRITTEN, code="no_time"))
    journal.close()

    assert reported(tmp_path)[REFS[0]] is NOT_WRITTEN


def test_a_call_for_some_messages_notes_only_those(journal: Journal, tmp_path: Path) -> None:
    page = page_of(journal)
    page.narrow([2, 5])
    page.submitting(1)
    page.submitting(0)
    page.answered(0, Attempt(REFS[2], Outcome.ACCEPTED, "x"))
    journal.close()

    assert reported(tmp_path) == {
        **dict.fromkeys(REFS, NOT_WRITTEN),
        REFS[2]: Attempt(REFS[2], Outcome.ACCEPTED, "x"),
        REFS[5]: IN_DOUBT,
    }


def test_answers_beyond_the_space_of_a_page_leave_their_messages_unknown(journal: Journal, tmp_path: Path) -> None:
    page = page_of(journal)
    parts = tuple(f"{n:0100}" for n in range(15))
    for place, ref in enumerate(REFS):
        page.submitting(place)
        page.answered(place, Attempt(ref, Outcome.ACCEPTED, parts[0], parts=parts))
    journal.close()

    states = [reported(tmp_path)[ref] for ref in REFS]
    assert isinstance(states[0], Attempt)
    assert states[-1] is IN_DOUBT


def test_a_late_note_on_a_released_page_has_no_effect(journal: Journal, tmp_path: Path) -> None:
    old = page_of(journal)
    old.submitting(0)
    old.release()
    pages = [page_of(journal) for _ in range(files.PAGES)]

    old.submitting(1)
    old.answered(1, Attempt(REFS[1], Outcome.ACCEPTED, "x"))
    old.unsubmitted(1)
    old.release()
    assert journal.open([Run(BATCH, FENCE, 1, REFS)]) is None, "it is nobody's to give away a second time"

    for page in pages[1:]:
        page.release()
    journal.close()
    assert reported(tmp_path) == dict.fromkeys(REFS, NOT_WRITTEN)


def test_a_page_with_an_older_fence_is_not_used_for_a_newer_claim(journal: Journal, tmp_path: Path) -> None:
    page_of(journal, fence=FENCE - 1)
    journal.close()

    assert reported(tmp_path) == {}


def test_a_message_in_two_pages_is_unknown_if_one_of_them_says_so(journal: Journal, tmp_path: Path) -> None:
    first, _ = page_of(journal), page_of(journal, REFS[1:])
    first.submitting(0)
    first.submitting(1)
    first.answered(2, Attempt(REFS[2], Outcome.ACCEPTED, "x"))
    journal.close()

    states = reported(tmp_path)
    assert [states[ref] for ref in REFS[:3]] == [IN_DOUBT, IN_DOUBT, Attempt(REFS[2], Outcome.ACCEPTED, "x")]


def test_a_batch_is_ready_only_if_all_its_pages_say_so(journal: Journal, tmp_path: Path) -> None:
    page_of(journal).ready()
    other = page_of(journal, [uuid4()], fence=FENCE + 1)
    other.ready()
    page_of(journal, [uuid4()], fence=FENCE + 1)
    journal.close()

    [found] = dead(tmp_path)
    assert found.entries().ready == {(BATCH, FENCE)}, "each page that tells of the batch must say so"


def test_messages_or_portions_beyond_the_size_of_the_journal_get_no_page(journal: Journal) -> None:
    assert journal.open([Run(BATCH, FENCE, 1, [*REFS, uuid4()])]) is None
    pages = [page_of(journal) for _ in range(files.PAGES)]
    assert journal.open([Run(BATCH, FENCE, 1, REFS)]) is None

    pages[3].leave()

    assert journal.open([Run(BATCH, FENCE, 1, REFS)]) is not None, "what was left behind makes room at last"


# Damage ----------------------------------------------------------------------------------------------------------


def noted(folder: Path) -> tuple[Path, bytes]:
    """Return a journal's file and its content: three messages handed over, one of them answered, five not."""
    journal = Journal.create(folder, 8)
    page = page_of(journal)
    for place in (1, 4, 6):
        page.submitting(place)
    page.answered(4, Attempt(REFS[4], Outcome.ACCEPTED, "id-4"))
    journal.close()
    [path] = folder.iterdir()
    return path, path.read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A journal's file, and what is in it where it is whole."""
    return noted(tmp_path_factory.mktemp("journals"))


def proves_too_much(sound: tuple[Path, bytes], damaged: bytes) -> bool:
    """Tell whether a damaged file says that a message was not written that may have been, or invents an answer."""
    path, _ = sound
    path.write_bytes(damaged)
    states = reported(path.parent) if list(dead(path.parent)) else {}
    answers = {ref: state for ref, state in states.items() if isinstance(state, Attempt)}
    true = {REFS[4]: Attempt(REFS[4], Outcome.ACCEPTED, "id-4")}
    return any(states.get(REFS[place]) is NOT_WRITTEN for place in (1, 4, 6)) or not answers.items() <= true.items()


@given(st.data())
def test_random_damage_never_reports_a_sent_message_as_not_written(
    sound: tuple[Path, bytes], data: st.DataObject
) -> None:
    octets = bytearray(sound[1])
    used = Layout(8).size + 4096
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, used - 1))
        wrong = data.draw(st.binary(min_size=1, max_size=24) | st.integers(1, 600).map(bytes))
        octets[at : at + len(wrong)] = wrong
    if data.draw(st.booleans()):
        del octets[data.draw(st.integers(0, used)) :]

    assert not proves_too_much(sound, bytes(octets))


def test_a_flipped_bit_never_reports_a_sent_message_as_not_written(sound: tuple[Path, bytes]) -> None:
    layout, octets = Layout(8), sound[1]
    parts = [range(44), range(4096, 4096 + layout.runs + 30), range(4096 + layout.ids, 4096 + layout.heap + 40)]
    for at in (at for part in parts for at in part):
        flipped = octets[:at] + bytes([octets[at] ^ 1 << at % 8]) + octets[at + 1 :]

        assert not proves_too_much(sound, flipped), at


def test_a_truncated_file_never_reports_a_sent_message_as_not_written(sound: tuple[Path, bytes]) -> None:
    octets = sound[1]
    for size in range(0, 4096 + Layout(8).size, 61):
        assert not proves_too_much(sound, octets[:size]), size


def test_a_partly_written_page_is_not_read(journal: Journal, tmp_path: Path) -> None:
    page_of(journal).release()
    page_of(journal)
    before = bytes(journal._map)
    page_of(journal)
    after = bytes(journal._map)
    journal.close()
    [path] = tmp_path.iterdir()

    base = 4096 + Layout(8).size
    for cut in range(base, base + Layout(8).size, 53):  # its head comes last: a write that ends before it is none
        path.write_bytes(after[:base] + before[base : base + 24] + after[base + 24 : cut] + before[cut:])
        [found] = dead(tmp_path)
        assert found.entries().states in ({(BATCH, FENCE): dict.fromkeys(REFS, NOT_WRITTEN)}, {})


# Whose it is -----------------------------------------------------------------------------------------------------

LIVES = """
import sys, time
from pathlib import Path
from uuid import UUID
from pipeline.journal import Journal, Run
journal = Journal.create(Path(sys.argv[1]), 8)
page = journal.open([Run(UUID(sys.argv[2]), 7, 1, [UUID(int=n) for n in range(1, 9)])])
page.submitting(0)
print("there", flush=True)
time.sleep(600)
"""


def test_only_the_journal_of_a_dead_process_is_read(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", LIVES, str(tmp_path), str(BATCH)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert list(dead(tmp_path)) == []

        process.send_signal(signal.SIGSTOP)
        assert list(dead(tmp_path)) == [], "who only stands still may go on"

        process.kill()
        process.wait()

    assert reported(tmp_path)[REFS[0]] is IN_DOUBT


def test_a_journal_is_read_by_one_reader_at_a_time(journal: Journal, tmp_path: Path) -> None:
    page_of(journal)
    journal.close()

    first = dead(tmp_path)
    assert next(first, None) is not None
    assert list(dead(tmp_path)) == []

    first.close()  # type: ignore[attr-defined]
    assert len(list(dead(tmp_path))) == 1


def test_a_journal_of_an_earlier_boot_is_not_read_and_is_removed_when_old(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of(journal)
    journal.close()
    [path] = tmp_path.iterdir()

    monkeypatch.setattr(files, "boot", lambda: uuid4().bytes)
    assert list(dead(tmp_path)) == []
    assert path.exists()

    os.utime(path, (0, 0))
    assert list(dead(tmp_path)) == []
    assert not path.exists(), "nobody will ever read it"


def test_a_journal_without_open_pages_is_removed_on_close(journal: Journal, tmp_path: Path) -> None:
    page_of(journal).release()
    journal.close()
    journal.close()

    assert list(tmp_path.iterdir()) == []


def test_a_retired_journal_is_removed_after_its_retention_time(journal: Journal, tmp_path: Path) -> None:
    page_of(journal)
    journal.close()
    for seconds in (0, 3600):
        [found] = dead(tmp_path)
        found.retire(seconds)
        assert len(list(dead(tmp_path))) == 1

    [found] = dead(tmp_path)
    found.retire(-1)

    assert list(tmp_path.iterdir()) == []


def test_other_files_and_a_missing_folder_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / f"{uuid4()}.journal").write_text("half")
    (tmp_path / f"{uuid4()}.journal").touch()

    assert list(dead(tmp_path)) == []
    assert list(dead(tmp_path / "nowhere")) == []
    assert (tmp_path / "notes.txt").exists()


def full(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        Journal.create(folder, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def occupied(folder: Path) -> None:
    (folder / "occupied").touch()
    Journal.create(folder / "occupied", 8)


@pytest.mark.parametrize("create", [full, occupied], ids=["the disk is full", "the folder is none"])
def test_a_failed_creation_raises_oserror_and_leaves_no_file(tmp_path: Path, create: Callable[[Path], None]) -> None:
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError, match=r"\w"):
            create(tmp_path)
    finally:
        signal.signal(signal.SIGXFSZ, before)

    assert [path for path in tmp_path.iterdir() if path.name != "occupied"] == []


def test_a_journal_file_is_readable_by_its_owner_only(journal: Journal, tmp_path: Path) -> None:
    [path] = tmp_path.iterdir()

    assert path.stat().st_mode & 0o777 == 0o600
