"""A paused or aborted campaign: nothing more of it is marked or submitted, and no attempt or round is used.

`stage` audits when its test is over.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest

from pipeline.carriers import registry
from pipeline.carriers.contract import STOPPED, CarrierKind, SubmitNotes
from pipeline.runtime import Runtime
from pipeline.stages.admit import admit
from pipeline.stages.campaigns.end_batches import end_aborted, end_batches
from pipeline.stages.deliver import deliver, recover
from pipeline.stages.ingest import ingest
from pipeline.stages.promote import promote
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims, campaigns, held_batches
from schema.carriage import Attempt, Parcel
from schema.message import Hint
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.stages.permissions import quiet
from tests.stages.scripted import KIND, Line, Scripted, Stage
from tests.world import World

BUSY = Outcome.REFUSED_TRANSIENT
PEOPLE = [f"+23480123456{n:02}" for n in range(12)]
HELD = "SELECT held, status, attempt, round, tried FROM batches WHERE held IS NOT NULL ORDER BY id"
TRIED = "SELECT message_id, n, outcome FROM provider_attempts ORDER BY message_id, n"


def campaign_of(world: World, name: str = "spring", state: str = "running") -> UUID:
    """Insert a campaign in this state; return its id."""
    columns = {"account_id": world.account, "state": state, "sender": "ACME", "class": "bulk", "body": "x"}
    id_ = world.rt.new_ids()
    with world.rt.begin() as conn:
        assert campaigns.write(conn, columns | {"id": id_, "name": name, "created_by": "os_user:ada"})
    return id_


def set_state(world: World, campaign: UUID, state: str) -> None:
    """Change a campaign's state as its commands do."""
    world.run("UPDATE campaigns SET state = %(state)s, ended_at = CASE WHEN %(state)s = 'aborted' THEN now() END"
              " WHERE id = %(id)s", state=state, id=campaign)  # fmt: skip


def admitted(world: World, campaign: UUID | None, *numbers: str, kind: str = "transactional", **fields: Any) -> Any:
    """Ingest an order of a campaign; return its response."""
    order = world.order(*numbers, message_class=kind, **fields)
    admissions = admit(world.rt, [(world.rt.new_ids(), order)])
    return ingest(world.rt, [replace(each, campaign=campaign) for each in admissions])


def paid(world: World, campaign: UUID | None, *numbers: str, **fields: Any) -> list[Hint]:
    """Bring an order of a campaign as far as its carrier; return its hints."""
    return world.pay(admitted(world, campaign, *numbers, **fields))


def look(stage: Stage) -> None:
    """Do what the clock does."""
    stage.carry([*promote(stage.rt), *sweep(stage.rt).queued])


def looks(stage: Stage, *seconds: float) -> None:
    for each in seconds:
        stage.passes(each)
        look(stage)


def held(stage: Stage) -> list[tuple[Any, ...]]:
    return list(stage.world.rows(HELD))


def ids(stage: Stage) -> list[UUID]:
    return list(stage.world.rows("SELECT id FROM messages ORDER BY id"))


# Claims -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["taken in", "failed over", "promoted", "out of quiet hours", "throttled"])
def test_a_batch_of_a_paused_campaign_is_held_at_its_claim_and_sent_after_it_is_resumed(
    stage: Stage, made: str
) -> None:
    campaign = campaign_of(stage.world)
    alpha = stage.carrier("alpha", *[BUSY] * (made in ("failed over", "throttled")))
    alpha.retry_after = 20 if made == "throttled" else None
    beta = stage.carrier("beta")
    send_at = stage.rt.now() + timedelta(seconds=30) if made == "promoted" else None
    hints = paid(stage.world, campaign, send_at=send_at)
    if made == "out of quiet hours":
        quiet(stage.world)
    if made not in ("taken in", "promoted"):
        hints = deliver(stage.rt, [hints[0].batch])
        stage.world.run("DELETE FROM quiet_hours")
    set_state(stage.world, campaign, "paused")

    stage.carry(hints)
    looks(stage, 61, 8000)

    [(why, status, attempt, rounds, tried)] = held(stage)
    assert (why, status, rounds) == ("campaign", "queued", 0)
    assert attempt == 1 + (made in ("failed over", "throttled"))
    assert tried == (["alpha"] if made == "failed over" else [])
    assert len(alpha.given) + len(beta.given) == attempt - 1
    set_state(stage.world, campaign, "running")
    look(stage)
    assert stage.tried()[attempt - 1 :] == [("beta" if made == "failed over" else "alpha", "accepted")]
    assert held(stage) == []


def test_validity_goes_on_during_a_pause(stage: Stage) -> None:
    stage.world.run("UPDATE accounts SET subscribes = true")
    campaign = campaign_of(stage.world)
    stage.carrier("alpha")
    hints = paid(stage.world, campaign, valid_until=stage.rt.now() + timedelta(hours=1))
    set_state(stage.world, campaign, "paused")

    stage.carry(hints)
    looks(stage, 3500)
    assert stage.stands() == [(None, "held", None)]
    looks(stage, 101)

    assert stage.stands() == [("failed", "released", "expired")]
    assert stage.world.balance() == 1_000_000
    assert stage.world.rows("SELECT status FROM events ORDER BY id") == ["queued", "failed"]
    assert stage.tried() == []


def test_open_batches_of_a_paused_campaign_are_held_in_portions_and_those_of_others_go_on(stage: Stage) -> None:
    paused, other = campaign_of(stage.world), campaign_of(stage.world, "autumn")
    stage.carrier("alpha")
    hints = [hint for person in PEOPLE[:5] for hint in paid(stage.world, paused, person)]
    paid(stage.world, paused, PEOPLE[5], send_at=stage.rt.now() + timedelta(hours=1))
    hints += [hint for person in PEOPLE[6:8] for hint in paid(stage.world, other, person)]
    hints += paid(stage.world, None, PEOPLE[8])
    set_state(stage.world, paused, "paused")

    counts = []
    for _ in range(3):
        with stage.rt.begin() as conn:
            counts.append(held_batches.hold_campaign(conn, paused, 4))
    stage.carry(hints)

    assert counts == [4, 2, 0]
    assert {row[:2] for row in held(stage)} == {("campaign", "queued"), ("campaign", "scheduled")}
    assert len(stage.tried()) == 3
    set_state(stage.world, paused, "running")
    look(stage)
    assert len(stage.tried()) == 8
    looks(stage, 3601)
    assert len(stage.tried()) == 9


def test_a_batch_of_a_suspended_account_s_paused_campaign_waits_for_both(stage: Stage) -> None:
    campaign = campaign_of(stage.world)
    stage.carrier("alpha")
    hints = paid(stage.world, campaign)
    stage.world.run("UPDATE accounts SET state = 'suspended'")
    set_state(stage.world, campaign, "paused")

    stage.carry(hints)
    assert [row[0] for row in held(stage)] == ["account"]
    stage.world.run("UPDATE accounts SET state = 'active'")
    look(stage)
    assert [row[0] for row in held(stage)] == ["campaign"]
    set_state(stage.world, campaign, "running")
    look(stage)

    assert stage.tried() == [("alpha", "accepted")]


# Marks ------------------------------------------------------------------------------------------------------------


def at_first(line: Line, do: Callable[[], object]) -> None:
    """Do something during the carrier's first submit."""

    def once() -> None:
        line.meanwhile = lambda: None
        do()

    line.meanwhile = once


@pytest.mark.parametrize("pace", [None, 20.0], ids=["no rate limit", "a rate limit to wait for"])
@pytest.mark.parametrize("answer", [Outcome.ACCEPTED, BUSY])
def test_no_further_portion_is_marked_after_a_pause_while_other_batches_of_the_run_go_on(
    stage: Stage, pace: float | None, answer: Outcome
) -> None:
    stage.set(portion_size=2)
    campaign = campaign_of(stage.world)
    alpha, beta = stage.carrier("alpha", answer), stage.carrier("beta")
    stage.world.run("UPDATE carriers SET segments_per_second = %(pace)s WHERE name = 'alpha'", pace=pace)
    hints = paid(stage.world, campaign, *PEOPLE[:5]) + paid(stage.world, None, *PEOPLE[5:8])
    mine, others = ids(stage)[:5], ids(stage)[5:]
    at_first(alpha, lambda: set_state(stage.world, campaign, "paused"))

    more = deliver(stage.rt, [hint.batch for hint in hints])

    assert more == []
    assert alpha.given == [*mine[:2], *others]
    assert beta.given == []
    assert held(stage) == [("campaign", "queued", 1, 0, [])]
    assert stage.world.rows("SELECT marked, recorded FROM batches WHERE held IS NOT NULL") == [(mine[1], mine[1])]
    assert [n for _, n, _ in stage.world.rows(TRIED)] == [1] * 5
    set_state(stage.world, campaign, "running")
    look(stage)
    assert alpha.given == [*mine[:2], *others, *mine[2:]]
    assert beta.given == ([mine[0]] if answer is BUSY else [])
    assert {state for state, *_ in stage.stands()} == {"sent"}


def test_a_batch_whose_messages_were_all_tried_when_its_campaign_was_paused_is_finished(stage: Stage) -> None:
    campaign = campaign_of(stage.world)
    alpha = stage.carrier("alpha", Outcome.ACCEPTED, BUSY)
    stage.carrier("beta")
    hints = paid(stage.world, campaign, *PEOPLE[:2])
    at_first(alpha, lambda: set_state(stage.world, campaign, "paused"))

    stage.carry(hints)

    assert stage.world.rows("SELECT status FROM batches ORDER BY attempt") == ["done", "queued"]
    assert held(stage) == [("campaign", "queued", 2, 0, ["alpha"])]


def test_what_a_failing_carrier_left_of_a_paused_campaign_goes_to_no_other_carrier(stage: Stage) -> None:
    stage.set(portion_size=10)
    campaign = campaign_of(stage.world)
    alpha, beta = stage.carrier("alpha", *[BUSY] * 10), stage.carrier("beta")
    hints = paid(stage.world, campaign, *PEOPLE)
    at_first(alpha, lambda: set_state(stage.world, campaign, "paused"))

    stage.carry(hints)

    assert (alpha.given, beta.given) == (ids(stage)[:10], [])
    assert held(stage) == [("campaign", "queued", 1, 0, [])]
    set_state(stage.world, campaign, "running")
    look(stage)
    assert (alpha.given, sorted(beta.given)) == (ids(stage)[:10], ids(stage))
    assert stage.world.rows("SELECT n, count(*) FROM provider_attempts GROUP BY 1 ORDER BY 1") == [(1, 12), (2, 10)]


def test_a_campaign_paused_between_claim_and_mark_is_not_marked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = campaign_of(stage.world)
    alpha = stage.carrier("alpha")
    hints = paid(stage.world, campaign, *PEOPLE[:2]) + paid(stage.world, None, PEOPLE[2])
    read = batch_claims.parcels

    def pausing(*given: Any) -> Any:
        set_state(stage.world, campaign, "paused")
        return read(*given)

    with monkeypatch.context() as patch:
        patch.setattr(batch_claims, "parcels", pausing)
        assert deliver(stage.rt, [hint.batch for hint in hints]) == []

    assert alpha.given == ids(stage)[2:]
    assert held(stage) == [("campaign", "queued", 1, 0, [])]
    assert stage.world.rows("SELECT marked FROM batches WHERE held IS NOT NULL") == [None]
    set_state(stage.world, campaign, "running")
    look(stage)
    assert sorted(alpha.given) == ids(stage)


# Within a portion -------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is killed."""


class Asking(Scripted):
    """A carrier that asks before it submits a message, and submits in another order than it was given."""

    #: the places that are submitted first
    order: tuple[int, ...] = ()
    #: done before the first submit
    before: ClassVar[list[Callable[[], object]]] = []
    dies = False

    def send_noting(self, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
        notes.ready()
        if self.before:
            self.before.pop()()
        attempts = {}
        for place in dict.fromkeys([*(each for each in self.order if each < len(parcels)), *range(len(parcels))]):
            if notes.may_submit and not notes.may_submit(place):
                attempts[place] = Attempt(parcels[place].ref, Outcome.NOT_WRITTEN, code=STOPPED)
                continue
            notes.submitting(place)
            attempts[place] = self._line.take(parcels[place])
            notes.answered(place, attempts[place])
        if self.dies:
            raise Killed
        return [attempts[place] for place in range(len(parcels))]


@pytest.fixture
def asking(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> type[Asking]:
    """Return the carriers' class from here on, which tests may change."""

    class Changed(Asking):
        before: ClassVar[list[Callable[[], object]]] = []

    monkeypatch.setitem(registry.KINDS, KIND, CarrierKind(KIND, partial(Changed, stage.lines)))
    return Changed


def seen(rt: Runtime, campaign: UUID) -> None:
    """Wait until a process knows that a campaign is stopped."""
    until = time.monotonic() + 30
    while not rt.campaign_watch.is_stopped(campaign):
        assert time.monotonic() < until, "the pause is not seen"
        time.sleep(0.01)


def pause_seen(stage: Stage, campaign: UUID, rt: Runtime | None = None) -> None:
    set_state(stage.world, campaign, "paused")
    seen(rt or stage.rt, campaign)


def test_the_rest_of_a_marked_portion_is_not_submitted_once_the_process_knows_of_the_pause(
    stage: Stage, asking: type[Asking]
) -> None:
    campaign = campaign_of(stage.world)
    alpha, beta = stage.carrier("alpha", Outcome.ACCEPTED, BUSY), stage.carrier("beta")
    hints = paid(stage.world, campaign, *PEOPLE[:6]) + paid(stage.world, None, *PEOPLE[6:8])
    mine, others = ids(stage)[:6], ids(stage)[6:]
    asking.order = (3,)
    at_first(alpha, lambda: pause_seen(stage, campaign))

    more = deliver(stage.rt, [hint.batch for hint in hints])

    assert [hint.carrier for hint in more] == ["beta"]
    assert alpha.given == [mine[3], *others]
    # those before it have a batch of their own, the others stay
    assert held(stage) == [("campaign", "queued", 1, 0, [])] * 2
    assert sorted(stage.world.rows("SELECT size FROM batches WHERE held IS NOT NULL")) == [3, 6]
    assert stage.world.rows("SELECT marked, recorded FROM batches WHERE size = 6") == [(mine[3], mine[3])]
    assert [row[:2] for row in stage.world.rows(TRIED)] == [(mine[3], 1), (others[0], 1), (others[1], 1)]
    assert stage.rt.unhealthy() == frozenset()
    set_state(stage.world, campaign, "running")
    stage.carry(more)
    look(stage)
    assert sorted(alpha.given) == sorted(mine + others)
    assert beta.given == [others[0]]
    assert stage.world.rows("SELECT max(n), count(*) FROM provider_attempts WHERE carrier = 'alpha'") == [(1, 8)]


def test_a_portion_none_of_which_was_submitted_stays_whole_in_its_batch(stage: Stage, asking: type[Asking]) -> None:
    campaign = campaign_of(stage.world)
    alpha = stage.carrier("alpha")
    hints = paid(stage.world, None, PEOPLE[0]) + paid(stage.world, campaign, *PEOPLE[1:4])
    at_first(alpha, lambda: pause_seen(stage, campaign))

    assert deliver(stage.rt, [hint.batch for hint in hints]) == []

    assert alpha.given == ids(stage)[:1]
    assert held(stage) == [("campaign", "queued", 1, 0, [])]
    assert stage.world.rows("SELECT marked, recorded, claims FROM batches WHERE size = 3") == [(None, None, 0)]
    set_state(stage.world, campaign, "running")
    look(stage)
    assert alpha.given == ids(stage)


def test_the_probe_of_an_open_breaker_is_the_next_message_if_the_first_may_not_be_submitted(
    stage: Stage, asking: type[Asking]
) -> None:
    campaign = campaign_of(stage.world)
    alpha, beta = stage.carrier("alpha", Outcome.UNKNOWN), stage.carrier("beta")
    hints = paid(stage.world, campaign, PEOPLE[0]) + paid(stage.world, None, *PEOPLE[1:4])
    stage.rt.health("alpha").note_outcomes([("NG", False)] * 20)
    stage.world.end_pause("alpha")
    asking.before.append(lambda: pause_seen(stage, campaign))

    stage.carry(deliver(stage.rt, [hint.batch for hint in hints]))

    assert alpha.given == ids(stage)[1:2]
    assert beta.given == ids(stage)[2:]
    assert held(stage) == [("campaign", "queued", 1, 0, [])]
    set_state(stage.world, campaign, "running")
    look(stage)
    assert len(stage.tried()) == 4


def test_messages_of_a_paused_campaign_in_a_killed_process_are_sent_once_after_it_is_resumed(
    stage: Stage, asking: type[Asking]
) -> None:
    campaign = campaign_of(stage.world)
    alpha = stage.carrier("alpha")
    hints = paid(stage.world, campaign, *PEOPLE[:5])
    asking.order, asking.dies = (2,), True
    with closing(Runtime(stage.rt.settings, keeps_journal=True)) as rt, suppress(Killed):
        at_first(alpha, lambda: pause_seen(stage, campaign, rt))
        deliver(rt, [hints[0].batch])
        pytest.fail("it was not killed")
    asking.dies = False

    stage.carry(recover(stage.rt))

    assert alpha.given == ids(stage)[2:3]
    assert stage.tried() == [("alpha", "accepted")]
    assert [row[0] for row in held(stage)] == ["campaign"] * 2
    set_state(stage.world, campaign, "running")
    look(stage)
    assert sorted(alpha.given) == ids(stage)
    assert stage.tried() == [("alpha", "accepted")] * 5


def test_the_watch_on_campaigns_ends_with_its_delivery_runs_and_outlives_faults_of_the_database(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = campaign_of(stage.world, state="running")
    watch = stage.rt.campaign_watch
    faults = iter(["UPDATE nothing", "SELECT pg_sleep(5)"])
    polled = campaigns.stopped

    def faulty(conn: Any, among: Any) -> Any:
        if fault := next(faults, None):
            conn.exec_driver_sql(fault)
        return polled(conn, among)

    monkeypatch.setattr(campaigns, "stopped", faulty)
    with watch.during([campaign]), watch.during([campaign, stage.rt.new_ids()]):
        thread = watch._thread
        pause_seen(stage, campaign)
        assert next(faults, None) is None
    assert thread is not None
    thread.join(30)
    assert not thread.is_alive()
    assert watch._thread is None
    assert not watch.is_stopped(campaign)


# Resends ----------------------------------------------------------------------------------------------------------


def sent(stage: Stage, campaign: UUID, *numbers: str, kind: str = "transactional") -> list[UUID]:
    """Send messages of a campaign by carrier alpha; return their ids."""
    stage.carry(paid(stage.world, campaign, *numbers, kind=kind))
    return ids(stage)


def test_an_undelivered_message_of_a_paused_campaign_is_resent_after_it_is_resumed(stage: Stage) -> None:
    campaign = campaign_of(stage.world)
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = sent(stage, campaign, PEOPLE[0])
    set_state(stage.world, campaign, "paused")

    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()
    looks(stage, 600)
    assert stage.tried() == [("alpha", "accepted")]
    assert held(stage) == [("campaign", "queued", 2, 0, ["alpha"])]
    set_state(stage.world, campaign, "running")
    look(stage)

    assert stage.tried() == [("alpha", "accepted"), ("beta", "accepted")]


def test_a_message_with_an_unknown_outcome_or_without_a_receipt_is_not_resent_during_a_pause(stage: Stage) -> None:
    campaign = campaign_of(stage.world)
    stage.carrier("alpha", Outcome.UNKNOWN, doubt="dedupes", window=10_000)
    stage.carrier("beta")
    sent(stage, campaign, *PEOPLE[:2])
    stage.world.run("UPDATE batches SET watch_at = now()")
    stage.world.run("UPDATE carriers SET receipt_seconds = 1")
    set_state(stage.world, campaign, "paused")

    stage.go_on(1, 60, 300)
    assert sorted(stage.tried()) == [("alpha", "accepted"), ("alpha", "unknown")]
    assert held(stage) == []
    set_state(stage.world, campaign, "running")
    stage.go_on(1, 1300, 2600)

    assert stage.world.rows("SELECT n, outcome FROM provider_attempts WHERE n > 1") == [(2, "accepted")] * 2


# Aborts -----------------------------------------------------------------------------------------------------------


def test_an_abort_ends_every_batch_that_is_not_claimed_and_releases_its_money(stage: Stage) -> None:
    stage.world.run("UPDATE accounts SET subscribes = true")
    campaign, other = campaign_of(stage.world), campaign_of(stage.world, "autumn")
    stage.carrier("alpha", BUSY).retry_after = 60
    for person in PEOPLE[:2]:
        stage.carry(paid(stage.world, campaign, person))
    paid(stage.world, campaign, PEOPLE[2], send_at=stage.rt.now() + timedelta(hours=1))
    paid(stage.world, campaign, *PEOPLE[3:6])
    admitted(stage.world, campaign, PEOPLE[6])
    with stage.rt.begin() as conn:
        held_batches.hold_campaign(conn, campaign, 2)
    kept = paid(stage.world, other, PEOPLE[7])
    assert stage.world.rows("SELECT status FROM batches WHERE status <> 'done' ORDER BY 1") == [
        "admitted", "queued", "queued", "scheduled", "waiting",
    ]  # fmt: skip
    assert end_batches(stage.rt, campaign) == 0, "it still runs"
    set_state(stage.world, campaign, "aborted")

    assert end_batches(stage.rt, campaign) == 4
    assert end_aborted(stage.rt) == end_batches(stage.rt, campaign) == 0

    stage.carry(kept)
    looks(stage, 3700)
    states = stage.stands()
    assert states.count(("cancelled", "released", None)) == 5
    assert states.count(("cancelled", None, None)) == 1
    assert states.count(("sent", "captured", None)) == 2
    assert stage.world.rows("SELECT DISTINCT status, held FROM batches") == [("done", None)]
    assert stage.world.balance() == 1_000_000 - 2 * 400
    assert stage.world.rows("SELECT count(*) FROM events WHERE status = 'cancelled'") == [6]
    assert len(stage.tried()) == 3


def test_a_claimed_batch_of_an_aborted_campaign_is_given_back_and_ended_by_the_clock(stage: Stage) -> None:
    stage.set(portion_size=2)
    campaign = campaign_of(stage.world)
    alpha = stage.carrier("alpha")
    hints = paid(stage.world, campaign, *PEOPLE[:5])

    def abort() -> None:
        set_state(stage.world, campaign, "aborted")
        assert end_batches(stage.rt, campaign) == 0, "its worker has it"

    at_first(alpha, abort)
    stage.carry(hints)
    assert held(stage) == [("campaign", "queued", 1, 0, [])]

    assert end_aborted(stage.rt) == 1

    assert stage.stands() == [("sent", "captured", None)] * 2 + [("cancelled", "released", None)] * 3
    assert stage.world.balance() == 1_000_000 - 2 * 400
    assert len(alpha.given) == 2


def test_resends_of_an_aborted_campaign_end_as_undelivered_or_stay_with_their_carrier(stage: Stage) -> None:
    campaign = campaign_of(stage.world)
    stage.carrier("alpha", Outcome.ACCEPTED, Outcome.UNKNOWN)
    beta = stage.carrier("beta")
    failed, unknown, later = sent(stage, campaign, *PEOPLE[:3])
    set_state(stage.world, campaign, "paused")
    stage.receive(failed, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()
    assert held(stage) == [("campaign", "queued", 2, 0, ["alpha"])]
    set_state(stage.world, campaign, "aborted")

    assert end_batches(stage.rt, campaign) == 1
    stage.receive(later, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.go_on(1, 600, 3600)

    assert stage.stands() == [
        ("failed", "captured", "undelivered"), ("sent", "held", None), ("failed", "captured", "undelivered"),
    ]  # fmt: skip
    assert beta.given == []
    stage.receive(unknown, "alpha", ReceiptVerdict.DELIVERED, by_us=True)
    assert stage.world.status(unknown) == "delivered"


def test_a_finished_campaign_s_undelivered_message_is_resent(stage: Stage) -> None:
    campaign = campaign_of(stage.world)
    stage.carrier("alpha")
    stage.carrier("beta")
    [message] = sent(stage, campaign, PEOPLE[0])
    set_state(stage.world, campaign, "finished")

    stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()

    assert stage.tried() == [("alpha", "accepted"), ("beta", "accepted")]
