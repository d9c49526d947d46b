"""Races between stages on a real database: concurrent workers, late and early receipts, clocks that are wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from pipeline.carriers.simulated import Simulated
from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.cancel import cancel
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.settle import settle
from pipeline.stages.sweep import sweep
from pipeline.store import accounts, receipts, wallet_ledger
from schema.carriage import Attempt, Parcel, Receipt
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, ReceiptVerdict
from tests.carriers.simulator import read_log
from tests.world import World, message_ids

NUMBERS = [f"+23480123{place:05d}" for place in range(1000)]


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever races here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def at_once(settings: Settings, *works: Callable[[Runtime], object]) -> list[BaseException]:
    """Run each work in a thread with a runtime of its own; return what they raised."""
    raised: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[Runtime], object]) -> None:
        rt = Runtime(settings)
        try:
            barrier.wait(20)
            work(rt)
        except BaseException as error:  # noqa: BLE001 - handed back
            raised.append(error)
        finally:
            rt.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return raised


def logged(world: World, settings: Settings, **script: Any) -> Callable[[], list[UUID]]:
    """Have carrier alpha write the oracle's log; return who reads what it took."""
    path = settings.home / "oracle.log"
    world.run(
        "UPDATE carriers SET settings = %(settings)s::jsonb WHERE name = 'alpha'",
        settings=json.dumps({"script": script, "log": str(path)}),
    )
    return lambda: [UUID(line["ref"]) for line in read_log(path) if line["taken"]]


def test_each_batch_is_sent_once_by_eight_workers_with_the_same_hints(world: World, settings: Settings) -> None:
    taken = logged(world, settings, latency_ms=5)
    hints = [hint for _ in range(10) for hint in world.pay(world.submit(world.order(*NUMBERS[:50])))]
    wanted = [hint.batch for hint in hints]

    assert at_once(settings, *[lambda rt: deliver(rt, wanted)] * 8) == []

    assert len(taken()) == len(set(taken())) == 500
    assert set(world.rows("SELECT status FROM messages")) == {"sent"}


def test_a_continuous_sweep_takes_no_batch_from_a_live_worker(world: World, settings: Settings) -> None:
    taken = logged(world, settings, latency_ms=5)
    short = settings.model_copy(update={"lease_seconds": 20.0, "portion_size": 10, "stale_seconds": 0.01})
    hints = [hint for _ in range(6) for hint in world.pay(world.submit(world.order(*NUMBERS[:100])))]
    wanted = [hint.batch for hint in hints]
    done = threading.Event()

    def work(rt: Runtime) -> None:
        for batch in wanted:
            deliver(rt, [batch])

    def mend(rt: Runtime) -> None:
        while not done.is_set():
            for hint in sweep(rt).queued:
                deliver(rt, [hint.batch])

    def watch(rt: Runtime) -> None:
        deadline = time.monotonic() + 50
        while world.rows("SELECT count(*) FROM batches WHERE status <> 'done'") != [0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        done.set()

    assert at_once(short, work, work, mend, mend, watch) == []

    assert len(taken()) == len(set(taken())) == 600
    assert world.rows("SELECT count(*) FROM provider_attempts WHERE outcome <> 'accepted'") == [0]


@pytest.mark.parametrize("size", [1, 100], ids=["one message a batch", "a hundred a batch"])
def test_each_message_cancelled_during_promotion_is_either_cancelled_or_sent(
    world: World, settings: Settings, size: int
) -> None:
    taken = logged(world, settings)
    due = datetime.now(UTC) + timedelta(hours=1)
    orders = [world.order(*NUMBERS[start : start + size], send_at=due) for start in range(0, 1000, size)]
    answers = [answer for order in orders for answer in world.submit(order)]
    assert world.pay(answers) == []
    world.run(
        "UPDATE batches AS b SET send_at = now() + place * %(gap)s * interval '1 ms', "
        "due_at = now() + place * %(gap)s * interval '1 ms' "
        "FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM batches) AS p WHERE p.id = b.id",
        gap=2 * size,
    )
    messages = [message for answer in answers for message in message_ids(answer)]
    cancelled: set[UUID] = set()
    too_late: set[UUID] = set()

    def canceller(part: int) -> Callable[[Runtime], None]:
        def work(rt: Runtime) -> None:
            for message in messages[part::3]:
                said = cancel(rt, world.account, [message])
                cancelled.update(said.cancelled)
                too_late.update(said.too_late)

        return work

    def clock(rt: Runtime) -> None:
        deadline = time.monotonic() + 50
        while world.rows("SELECT count(*) FROM batches WHERE status <> 'done'") != [0]:
            assert time.monotonic() < deadline
            deliver(rt, [hint.batch for hint in promote(rt)])

    assert at_once(settings, *(canceller(part) for part in range(3)), clock, clock) == []

    assert len(cancelled) + len(too_late) == 1000
    assert set(taken()) == too_late
    assert len(taken()) == len(too_late)
    assert dict(world.rows("SELECT status, count(*) FROM messages GROUP BY status")) == {
        word: len(those) for word, those in (("cancelled", cancelled), ("sent", too_late)) if those
    }
    assert world.rows("SELECT count(*) FROM messages WHERE money = 'held'") == [0]
    assert world.balance() == 1_000_000 - 400 * len(too_late)


def test_a_receipt_that_arrives_before_the_answer_of_a_second_attempt_is_applied(world: World) -> None:
    world.add_carrier("alpha", {"throttle:1": 1.0})
    answer = world.send()
    [message] = answer.messages
    assert world.rows("SELECT outcome, carrier FROM provider_attempts") == [("refused_transient", "alpha")]

    class Hasty(Simulated):
        def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
            made = super().send(parcels)
            report = Receipt(
                "alpha", "1/delivered", ReceiptVerdict.DELIVERED, made[0].carrier_ref, message, None, None, "{}"
            )
            with world.rt.begin() as conn:
                receipts.keep(conn, world.rt.new_ids(), [report])
            settle(world.rt)
            return made

    world.rt._carriers["alpha"] = (json.dumps(["simulated", {"script": {}}]), Hasty("alpha", {}))
    world.add_carrier("alpha")
    world.make_due()
    world.deliver_all(promote(world.rt))
    world.run("UPDATE receipts SET due_at = now()")
    settle(world.rt)

    assert world.rows("SELECT state FROM receipts") == ["applied"]
    assert world.status(message) == "delivered"


def test_messages_sent_but_not_recorded_because_of_a_database_crash_become_unknown(
    world: World, settings: Settings
) -> None:
    taken = logged(world, settings)
    hints = world.pay(world.submit(world.order(*NUMBERS[:30])))
    short = Runtime(settings.model_copy(update={"portion_size": 10, "pool_size": 1}))
    sent: list[int] = []

    class Unlucky(Simulated):
        def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
            made = super().send(parcels)
            sent.append(len(made))
            if len(sent) == 2:
                world.run("UPDATE batches SET lease_until = now()")
                world.run(
                    "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid(); END $$"
                )
                raise SystemExit("as a child dies")
            return made

    given = {"script": {}, "log": str(settings.home / "oracle.log")}
    short._carriers["alpha"] = (json.dumps(["simulated", given], sort_keys=True), Unlucky("alpha", given))
    with pytest.raises((SystemExit, DatabaseFault)):
        deliver(short, [hints[0].batch])
    short.close()
    # the crash has closed what this process keeps open, too
    world.rt.engine.dispose()
    world.deliver_all(sweep(world.rt).queued)

    assert len(taken()) == len(set(taken())) == 30
    assert dict(world.rows("SELECT outcome, count(*) FROM provider_attempts GROUP BY outcome")) == {
        "accepted": 20,
        "unknown": 10,
    }
    assert world.balance() == 1_000_000 - 30 * 400


def test_worker_deaths_over_some_batches_of_a_hint_do_not_fail_the_others(world: World, settings: Settings) -> None:
    hints = [hint for number in NUMBERS[:60] for hint in world.pay(world.submit(world.order(number)))]
    dying = Runtime(settings.model_copy(update={"portion_size": 10}))

    class Deadly(Simulated):
        def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
            raise SystemExit("as a child dies")

    dying._carriers["alpha"] = (json.dumps(["simulated", {"script": {}}]), Deadly("alpha", {}))
    for _ in range(4):
        with pytest.raises(SystemExit):
            deliver(dying, [hint.batch for hint in hints])
        world.run("UPDATE batches SET lease_until = now() - interval '1 s' WHERE status = 'sending'")
        hints = sweep(world.rt).queued
    dying.close()
    world.deliver_all(hints)

    assert dict(world.rows("SELECT coalesce(error_code, status), count(*) FROM messages GROUP BY 1")) == {"sent": 60}
    assert world.rows("SELECT count(*) FROM provider_attempts WHERE outcome = 'unknown'") == [40]


def test_a_test_message_waits_while_the_test_carrier_is_drained(world: World) -> None:
    world.run("UPDATE carriers SET state = 'drained' WHERE name = 'simulated'")
    hints = world.pay(world.submit(world.order(test=True)))

    for _ in range(5):
        hints = deliver(world.rt, [hint.batch for hint in hints]) if hints else []

    assert hints == []
    assert world.rows("SELECT count(*) FROM batches WHERE status = 'waiting'") == [1]


def test_a_carrier_works_with_its_old_settings_after_invalid_ones_were_refused(world: World) -> None:
    old = {"log": str(world.rt.settings.home / "oracle.log")}
    world.rt.carrier("alpha", "simulated", old)
    with pytest.raises(ConfigurationError):
        world.rt.carrier("alpha", "simulated", {"script": {"no such word": 1}})

    parcel = Parcel(world.rt.new_ids(), NUMBERS[0], "ACME", "Hi", Encoding.GSM7, 1, MessageClass.BULK)
    world.rt.carrier("alpha", "simulated", old).send([parcel])

    assert [UUID(line["ref"]) for line in read_log(world.rt.settings.home / "oracle.log")] == [parcel.ref]


def test_concurrent_hints_receipts_and_sweeps_of_several_accounts_do_not_deadlock(
    world: World, settings: Settings
) -> None:
    month = datetime.now(UTC).date().replace(day=1)
    names = [f"account {place}" for place in range(6)]
    with world.rt.begin() as conn:
        for name in names:
            account = accounts.create(conn, name, "NGN")
            assert account is not None
            accounts.set_sender(conn, account, "ACME")
            wallet_ledger.top_up(conn, account, 40_000, "test", datetime.now(UTC))
            wallet_ledger.grant(conn, account, month, 50, "test", datetime.now(UTC))
    logged(world, settings, **{"refuse:9": 0.3, "silent": 0.2, "refuse_transient": 0.1})
    wanted: list[UUID] = []
    done = threading.Event()

    def produce(rt: Runtime) -> None:
        other = type(world).__new__(type(world))
        other.rt = rt
        for turn in range(12):
            orders = [world.order(*NUMBERS[:15], account=name) for name in names[:: 1 if turn % 2 else -1]]
            wanted.extend(hint.batch for hint in other.pay(other.submit(*orders)))

    def carry(rt: Runtime) -> None:
        while not (done.is_set() and not wanted):
            some = [wanted.pop() for _ in range(min(7, len(wanted)))] if len(wanted) > 7 or done.is_set() else []
            hints = deliver(rt, some) if some else []
            wanted.extend(hint.batch for hint in hints)

    def report(rt: Runtime) -> None:
        while not done.is_set():
            refs = world.rows("SELECT id FROM messages WHERE status = 'sent' ORDER BY random() LIMIT 40")
            verdicts = (ReceiptVerdict.DELIVERED, ReceiptVerdict.FAILED)
            reported = [
                Receipt("alpha", f"{ref}/{verdicts[ref.int % 2]}", verdicts[ref.int % 2], None, ref, None, None, "{}")
                for ref in refs
            ]
            with rt.begin() as conn:
                receipts.keep(conn, rt.new_ids(), reported)
            settle(rt)
            sweep(rt)

    def produced(rt: Runtime) -> None:
        try:
            produce(rt)
        finally:
            done.set()

    assert at_once(settings, produced, carry, carry, report, report) == []


def test_an_unscheduled_message_is_sent_at_once_though_the_clock_of_a_worker_is_ahead(world: World) -> None:
    with clock_off_by(world, minutes=10):
        hints = world.pay(world.submit(world.order()))

    assert len(hints) == 1
    world.deliver_all(hints)


def test_a_lost_hint_is_repeated_though_the_clock_of_a_worker_is_ahead(world: World) -> None:
    with clock_off_by(world, minutes=10):
        world.submit(world.order())
    world.run("UPDATE batches SET hinted_at = hinted_at - interval '1 minute'")

    assert len(sweep(world.rt).admitted) == 1


def test_an_otp_message_does_not_expire_though_the_clock_of_a_worker_is_behind(world: World) -> None:
    with clock_off_by(world, minutes=-30):
        answer = world.send(**{"class": "otp"})

    assert world.status(answer.messages[0]) == "sent"


@pytest.mark.parametrize("minutes", [-30, 30])
def test_quiet_hours_apply_though_the_clock_of_a_worker_is_wrong(world: World, minutes: int) -> None:
    now = datetime.now(ZoneInfo("Africa/Lagos"))
    begins, ends = now - timedelta(minutes=10), now + timedelta(minutes=10)
    hints = world.pay(world.submit(world.order()))
    world.run(
        "INSERT INTO quiet_hours (account_id, country, class, from_minute, until_minute, action) "
        "VALUES (%(id)s, 'NG', 'transactional', %(begins)s, %(ends)s, 'defer')",
        id=world.account,
        begins=begins.hour * 60 + begins.minute,
        ends=ends.hour * 60 + ends.minute,
    )

    with clock_off_by(world, minutes=minutes):
        world.deliver_all(hints)

    assert world.rows("SELECT status FROM batches WHERE due_at > now()") == ["waiting"]
    assert world.rows("SELECT count(*) FROM provider_attempts") == [0]


@contextmanager
def clock_off_by(world: World, *, minutes: int) -> Iterator[None]:
    """Have the world's work done on a machine whose clock is wrong."""

    class Wrong(Runtime):
        def now(self) -> datetime:
            return super().now() + timedelta(minutes=minutes)

    right, world.rt = world.rt, Wrong(world.rt.settings)
    yield
    world.rt.close()
    world.rt = right
