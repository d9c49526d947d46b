"""What a killed process left is settled by its journal: outcomes recorded, recorded as unknown, or sent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, ClassVar
from uuid import UUID

import pytest

from pipeline.carriers import registry
from pipeline.carriers.contract import CarrierKind, SubmitNotes
from pipeline.journal import Journal, dead
from pipeline.runtime import Runtime
from pipeline.stages.admin.audit import audit
from pipeline.stages.deliver import deliver, recover
from pipeline.stages.promote import promote
from pipeline.stages.resend import resend_due
from pipeline.stages.settle import settle_on_arrival
from pipeline.stages.sweep import sweep
from pipeline.store import attempts as store_attempts
from schema.carriage import Attempt, Parcel, Receipt
from schema.message import Hint
from schema.vocabulary import Outcome, ReceiptVerdict, UnknownAbility
from tests.world import World

ACCEPTED, UNKNOWN, PERMANENT = Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.REFUSED_PERMANENT
TRANSIENT, NOT_WRITTEN = Outcome.REFUSED_TRANSIENT, Outcome.NOT_WRITTEN
NUMBERS = [f"+23480123456{n:02}" for n in range(10)]
OUTCOMES = "SELECT outcome, code, count(*) FROM provider_attempts GROUP BY 1, 2 ORDER BY 1, 2"


class Killed(BaseException):
    """The process is gone: nothing after it is done."""


#: what a carrier does with a call, before its process is gone
Deed = Callable[[Sequence[Parcel], SubmitNotes], None]


class Deadly:
    """A carrier that takes whatever it is given, until a test says what becomes of it instead."""

    def __init__(self, name: str, _: object) -> None:
        self.name, self.call_deadline, self.unknown_ability, self.dedupe_seconds = name, 1.0, UnknownAbility.BLIND, 0.0

    deeds: ClassVar[list[Deed]] = []
    given: ClassVar[list[UUID]] = []

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        raise AssertionError("it notes what it hands over")

    def send_noting(self, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
        if self.deeds:
            self.deeds.pop(0)(parcels, notes)
        self.given.extend(parcel.ref for parcel in parcels)
        return [Attempt(parcel.ref, ACCEPTED, f"{self.name}-{parcel.ref}") for parcel in parcels]

    def close(self) -> None:
        pass


class Blunt(Deadly):
    """A carrier that notes nothing."""

    send_noting = None  # type: ignore[assignment]

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        raise Killed


@pytest.fixture
def deeds(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Deed]]:
    """What carrier alpha does with its next calls; whatever that is, the invariants hold afterwards."""
    monkeypatch.setitem(registry.KINDS, "deadly", CarrierKind("deadly", Deadly))
    monkeypatch.setitem(registry.KINDS, "blunt", CarrierKind("blunt", Blunt))
    world.run("UPDATE carriers SET kind = 'deadly', settings = '{}'::jsonb")
    Deadly.deeds, Deadly.given = [], []
    yield Deadly.deeds
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def send(world: World, *numbers: str, **fields: Any) -> tuple[list[UUID], list[UUID]]:
    """Bring a batch as far as its carrier; return it, and its messages."""
    hints = world.pay(world.submit(world.order(*(numbers or NUMBERS), **fields)))
    return [hint.batch for hint in hints], world.rows("SELECT id FROM messages ORDER BY id")


def die(world: World, batches: Sequence[UUID], **settings: Any) -> None:
    """Carry batches in a process that is killed meanwhile."""
    rt = Runtime(world.rt.settings.model_copy(update=settings), keeps_journal=True)
    with closing(rt), suppress(Killed):
        deliver(rt, batches)
        pytest.fail("it was not killed")


def outcomes(world: World) -> dict[str, int]:
    return dict(world.rows("SELECT outcome, count(*) FROM provider_attempts GROUP BY 1"))


def states(world: World) -> dict[tuple[str | None, str | None], int]:
    rows = world.rows("SELECT status, money, count(*) FROM messages GROUP BY 1, 2")
    return {(status, money): count for status, money, count in rows}


def kill(taken: int, answered: int = 0) -> Deed:
    """Hand over so many messages, have so many of them answered, and die."""

    def deed(parcels: Sequence[Parcel], notes: SubmitNotes) -> None:
        for place in range(taken):
            notes.submitting(place)
        for place in range(answered):
            notes.answered(place, Attempt(parcels[place].ref, ACCEPTED, f"id-{place}"))
        raise Killed

    return deed


def test_only_submitted_messages_without_a_response_are_unknown_and_the_rest_is_sent(
    world: World, deeds: list[Deed]
) -> None:
    deeds.append(kill(taken=7, answered=4))
    batches, messages = send(world)
    die(world, batches)

    hints = recover(world.rt)

    assert [hint.batch for hint in hints] == batches
    assert world.rows(OUTCOMES) == [("accepted", None, 4), ("unknown", "worker_lost", 3)]
    refs = "SELECT carrier_ref FROM provider_attempts WHERE outcome = 'accepted' ORDER BY message_id"
    assert world.rows(refs) == ["id-0", "id-1", "id-2", "id-3"]
    assert states(world) == {("sent", "captured"): 4, ("sent", "held"): 3, (None, "held"): 3}

    world.deliver_all(hints)

    assert Deadly.given == messages[7:]
    assert outcomes(world) == {"accepted": 7, "unknown": 3}
    assert recover(world.rt) == []


def test_a_marked_portion_of_which_nothing_was_submitted_is_sent_whole(world: World, deeds: list[Deed]) -> None:
    deeds.append(kill(taken=0))
    batches, messages = send(world)
    die(world, batches)

    world.deliver_all(recover(world.rt))

    assert (Deadly.given, outcomes(world)) == (messages, {"accepted": 10})


def test_each_response_noted_in_the_journal_is_recorded_with_its_outcome(world: World, deeds: list[Deed]) -> None:
    def deed(parcels: Sequence[Parcel], notes: SubmitNotes) -> None:
        said = [(ACCEPTED, None), (UNKNOWN, None), (PERMANENT, None), (TRANSIENT, None), (TRANSIENT, 30.0)]
        for place, (outcome, wait) in enumerate(said):
            notes.submitting(place)
            ref = "id" if outcome is ACCEPTED else None
            notes.answered(place, Attempt(parcels[place].ref, outcome, ref, code="said", retry_after=wait))
        raise Killed

    deeds.append(deed)
    world.add_carrier("beta", rank=2)
    batches, messages = send(world)
    die(world, batches)

    hints = recover(world.rt)

    rows = "SELECT message_id, outcome, code FROM provider_attempts ORDER BY message_id"
    said = [ACCEPTED, UNKNOWN, PERMANENT, TRANSIENT, TRANSIENT]
    assert world.rows(rows) == [(ref, str(outcome), "said") for ref, outcome in zip(messages, said, strict=False)]
    assert [world.status(ref) for ref in messages[:5]] == ["sent", "sent", "failed", "", ""]
    assert world.balance() == 1_000_000 - 9 * 400
    waiting = "SELECT size, carrier, attempt FROM batches WHERE status = 'waiting'"
    assert world.rows(waiting) == [(1, "alpha", 2)], "what its carrier wants later waits for it"

    world.deliver_all(hints)
    world.make_due()
    world.deliver_all(hints_of(world))

    carried = "SELECT carrier, outcome FROM provider_attempts WHERE message_id = %(id)s ORDER BY n"
    assert world.rows(carried, id=messages[3]) == [("alpha", "refused_transient"), ("beta", "accepted")]
    assert world.rows(carried, id=messages[4]) == [("alpha", "refused_transient"), ("alpha", "accepted")]
    assert states(world) == {("sent", "captured"): 8, ("sent", "held"): 1, ("failed", "released"): 1}


def hints_of(world: World) -> list[Any]:
    return promote(world.rt)


def test_unsubmitted_messages_between_submitted_ones_are_sent(world: World, deeds: list[Deed]) -> None:
    def deed(parcels: Sequence[Parcel], notes: SubmitNotes) -> None:
        for place in (2, 5, 7):
            notes.submitting(place)
        notes.unsubmitted(5)
        notes.answered(7, Attempt(parcels[7].ref, ACCEPTED, "id"))
        raise Killed

    deeds.append(deed)
    batches, messages = send(world)
    die(world, batches)

    hints = recover(world.rt)
    world.deliver_all(hints)

    assert len(hints) == 2
    assert sorted(Deadly.given) == [ref for place, ref in enumerate(messages) if place not in (2, 7)]
    assert outcomes(world) == {"accepted": 9, "unknown": 1}
    assert world.rows("SELECT DISTINCT n FROM provider_attempts") == [1]


def test_a_recorded_portion_is_not_recorded_again(world: World, deeds: list[Deed]) -> None:
    deeds += [lambda *_: None, kill(taken=3, answered=1)]
    batches, messages = send(world)
    die(world, batches, portion_size=4)
    assert outcomes(world) == {"accepted": 4}

    world.deliver_all(recover(world.rt))

    assert Deadly.given == messages[:4] + messages[7:]
    assert outcomes(world) == {"accepted": 8, "unknown": 2}


def test_responses_that_a_killed_process_did_not_commit_are_recorded_from_its_journal(
    world: World, deeds: list[Deed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def deed(parcels: Sequence[Parcel], notes: SubmitNotes) -> None:
        for place, parcel in enumerate(parcels):
            notes.submitting(place)
            notes.answered(place, Attempt(parcel.ref, ACCEPTED, f"id-{place}"))

    def killed(*_: object) -> None:
        raise Killed

    deeds.append(deed)
    batches, _ = send(world)
    with monkeypatch.context() as patch:
        patch.setattr(store_attempts, "write", killed)
        die(world, batches)
    assert outcomes(world) == {}

    world.deliver_all(recover(world.rt))

    assert outcomes(world) == {"accepted": 10}
    assert len(Deadly.given) == 10


def test_batches_claimed_together_and_not_begun_are_sent(world: World, deeds: list[Deed]) -> None:
    deeds.append(kill(taken=1))
    first, _ = send(world, *NUMBERS[:4])
    second, _ = send(world, *NUMBERS[4:8])
    die(world, first, portion_size=4)
    assert world.rows("SELECT DISTINCT status FROM batches") == ["sending"]

    hints = recover(world.rt)

    assert {hint.batch for hint in hints} == {*first, *second}
    world.deliver_all(hints)
    assert outcomes(world) == {"accepted": 7, "unknown": 1}


def test_the_whole_portion_is_unknown_if_its_carrier_makes_no_notes(world: World, deeds: list[Deed]) -> None:
    world.run("UPDATE carriers SET kind = 'blunt'")
    batches, _ = send(world)
    die(world, batches, portion_size=4)
    world.run("UPDATE carriers SET kind = 'deadly'")

    world.deliver_all(recover(world.rt))

    assert outcomes(world) == {"accepted": 6, "unknown": 4}
    assert deeds == []


def test_without_its_journal_the_portion_of_a_killed_process_is_unknown_after_its_lease(
    world: World, deeds: list[Deed]
) -> None:
    deeds.append(kill(taken=2, answered=1))
    batches, _ = send(world)
    die(world, batches, portion_size=4)
    [path] = world.rt.journals.iterdir()
    path.unlink()

    assert recover(world.rt) == []
    world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
    world.deliver_all(sweep(world.rt).queued)

    assert outcomes(world) == {"accepted": 6, "unknown": 4}


def test_a_damaged_journal_page_leaves_its_portion_unknown(world: World, deeds: list[Deed]) -> None:
    deeds.append(kill(taken=2))
    batches, _ = send(world)
    die(world, batches, portion_size=4)
    [path] = world.rt.journals.iterdir()
    path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096))

    world.deliver_all(recover(world.rt))

    assert outcomes(world) == {"accepted": 6, "unknown": 4}


def test_a_stalled_process_keeps_its_batches_and_its_old_fence_records_only_late_outcomes(
    world: World, deeds: list[Deed]
) -> None:
    def deed(parcels: Sequence[Parcel], notes: SubmitNotes) -> None:
        notes.submitting(0)
        assert recover(world.rt) == [], "it has the lock"
        world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
        swept = sweep(world.rt).queued
        assert outcomes(world) == {"unknown": 4}, "it may still write what it marked"
        world.deliver_all(swept)
        for place, parcel in enumerate(parcels):
            notes.answered(place, Attempt(parcel.ref, ACCEPTED, f"late-{place}"))

    deeds.append(deed)
    batches, messages = send(world)
    with closing(Runtime(world.rt.settings.model_copy(update={"portion_size": 4}), keeps_journal=True)) as rt:
        deliver(rt, batches)

    assert outcomes(world) == {"accepted": 6, "unknown": 4}
    assert sorted(Deadly.given) == messages
    assert recover(world.rt) == []
    late = "SELECT count(*) FROM provider_attempts WHERE late_outcome = 'accepted'"
    assert world.rows(late) == [4]


def test_the_journal_of_a_process_that_lost_its_lease_resolves_unknown_outcomes(
    world: World, deeds: list[Deed]
) -> None:
    def deed(parcels: Sequence[Parcel], notes: SubmitNotes) -> None:
        for place in range(5):
            notes.submitting(place)
        notes.answered(0, Attempt(parcels[0].ref, ACCEPTED, "a", parts=("a", "b")))
        notes.answered(1, Attempt(parcels[1].ref, PERMANENT, code="said"))
        notes.answered(2, Attempt(parcels[2].ref, UNKNOWN, code="said"))
        world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
        world.deliver_all(sweep(world.rt).queued)
        raise Killed

    deeds.append(deed)
    batches, messages = send(world)
    die(world, batches, portion_size=8)
    assert outcomes(world) == {"unknown": 8, "accepted": 2}

    assert recover(world.rt) == []

    late = "SELECT message_id, late_outcome FROM provider_attempts WHERE late_outcome IS NOT NULL ORDER BY message_id"
    expected = {0: "accepted", 1: "refused_permanent", 5: "not_written", 6: "not_written", 7: "not_written"}
    assert world.rows(late) == [(messages[place], outcome) for place, outcome in expected.items()]
    assert sorted(world.rows("SELECT carrier_ref FROM parts")) == ["a", "b"]
    resend_due(world.rt)
    assert states(world)["sent", "captured"] == 3

    assert recover(world.rt) == []
    assert len(world.rows(late)) == 5


def test_the_journal_of_an_older_claim_does_not_apply_to_a_newer_claim(world: World, deeds: list[Deed]) -> None:
    deeds.append(kill(taken=10, answered=10))
    batches, messages = send(world)
    die(world, batches)
    # as if it had never been marked, and another worker had it since
    world.run("UPDATE batches SET status = 'queued', marked = NULL, lease_until = NULL")
    deeds.append(kill(taken=1))
    die(world, batches)

    hints = recover(world.rt)

    assert world.rows(OUTCOMES) == [("unknown", "worker_lost", 1)]
    world.run("UPDATE batches SET lease_until = now() - interval '1 second' WHERE status = 'sending'")
    world.deliver_all(hints + sweep(world.rt).queued)
    assert Deadly.given == messages[1:]
    assert outcomes(world) == {"accepted": 9, "unknown": 1}


def test_a_batch_that_kills_its_workers_waits_for_its_lease_and_is_poison_after_three_claims(
    world: World, deeds: list[Deed]
) -> None:
    batches, messages = send(world)
    for resting in (False, True, True):
        deeds.append(kill(taken=0))
        die(world, batches)
        assert [hint.batch for hint in recover(world.rt)] == ([] if resting else batches)
        world.run("UPDATE batches SET lease_until = now() - interval '1 second' WHERE status = 'sending'")
        sweep(world.rt)

    ends = "SELECT status, error_code, money, count(*) FROM messages GROUP BY 1, 2, 3"
    assert world.rows(ends) == [("failed", "poison", "released", len(messages))]
    assert world.rows("SELECT DISTINCT status FROM batches") == ["done"]
    assert world.balance() == 1_000_000


def test_a_batch_that_killed_two_workers_is_not_claimed_before_its_lease_ends(world: World, deeds: list[Deed]) -> None:
    batches, messages = send(world)
    for taken in (2, 1):
        deeds.append(kill(taken))
        die(world, batches)
        recover(world.rt)
    assert world.rows("SELECT status, claims FROM batches") == [("sending", 2)]
    assert sweep(world.rt).queued == recover(world.rt) == deliver(world.rt, batches) == []

    world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
    world.deliver_all(sweep(world.rt).queued)

    assert Deadly.given == messages[3:]
    assert outcomes(world) == {"accepted": 7, "unknown": 3}


def test_a_batch_that_makes_progress_is_never_poison(world: World, deeds: list[Deed]) -> None:
    batches, _ = send(world)
    for _ in range(5):  # each of its workers dies, but not without an answer
        deeds.append(kill(taken=1, answered=1))
        die(world, batches)
        assert [hint.batch for hint in recover(world.rt)] == batches

    world.deliver_all(recover(world.rt) or hints_queued(world))

    assert outcomes(world) == {"accepted": 10}


def hints_queued(world: World) -> list[Any]:
    world.run("UPDATE batches SET hinted_at = now() - interval '1 hour'")
    return sweep(world.rt).queued


def test_a_batch_whose_workers_died_before_submitting_any_of_it_is_not_poison(world: World, deeds: list[Deed]) -> None:
    def deed(_: Sequence[Parcel], notes: SubmitNotes) -> None:
        notes.ready()
        raise Killed

    batches, messages = send(world)
    hints: list[Hint] = []
    for _ in range(5):
        deeds.append(deed)
        die(world, batches)
        hints = recover(world.rt)
        assert [hint.batch for hint in hints] == batches

    world.deliver_all(hints)

    assert Deadly.given == messages


def test_resends_of_a_killed_process_are_recovered_like_first_attempts(world: World, deeds: list[Deed]) -> None:
    world.add_carrier("beta", rank=2)
    world.run("UPDATE carriers SET kind = 'deadly', settings = '{}'::jsonb")
    batches, messages = send(world)
    deliver(world.rt, batches)
    failed = [
        Receipt(
            "alpha", str(ref), ReceiptVerdict.FAILED, f"alpha-{ref}", None, code="1", at=None, raw="{}", retryable=True
        )
        for ref in messages
    ]
    settle_on_arrival(world.rt, failed)
    deeds.append(kill(taken=5, answered=2))
    die(world, [hint.batch for hint in resend_due(world.rt).hints])

    hints = recover(world.rt)
    again = "SELECT outcome, code, count(*) FROM provider_attempts WHERE n = 2 GROUP BY 1, 2 ORDER BY 1"
    assert world.rows(again) == [("accepted", None, 2), ("unknown", "worker_lost", 3)]
    world.deliver_all(hints)

    assert Deadly.given == messages + messages[5:]
    assert world.rows(again) == [("accepted", None, 7), ("unknown", "worker_lost", 3)]


def test_the_references_of_all_parts_of_a_long_message_are_recovered(world: World, deeds: list[Deed]) -> None:
    def deed(parcels: Sequence[Parcel], notes: SubmitNotes) -> None:
        notes.submitting(0)
        notes.answered(0, Attempt(parcels[0].ref, ACCEPTED, "a", parts=("a", "b", "c")))
        raise Killed

    deeds.append(deed)
    batches, _ = send(world, NUMBERS[0])
    die(world, batches)

    recover(world.rt)

    assert sorted(world.rows("SELECT carrier_ref FROM parts")) == ["a", "b", "c"]


def test_without_a_writable_journal_folder_messages_are_sent(
    world: World, deeds: list[Deed], caplog: pytest.LogCaptureFixture
) -> None:
    world.rt.settings.home.joinpath("journals").write_text("no folder")
    batches, _ = send(world)

    with closing(Runtime(world.rt.settings, keeps_journal=True)) as rt:
        deliver(rt, batches)
        assert rt.journal is None
        assert recover(rt) == []

    assert outcomes(world) == {"accepted": 10}
    assert len([record for record in caplog.records if "cannot create a journal" in record.getMessage()]) == 1
    assert deeds == []


def test_a_complete_delivery_run_leaves_no_journal(world: World, deeds: list[Deed]) -> None:
    batches, _ = send(world)
    with closing(Runtime(world.rt.settings.model_copy(update={"portion_size": 3}), keeps_journal=True)) as rt:
        deliver(rt, batches)
        journal = rt.journal
        assert isinstance(journal, Journal)

    assert list(dead(world.rt.journals)) == []
    assert list(world.rt.journals.iterdir()) == []
    assert deeds == []
