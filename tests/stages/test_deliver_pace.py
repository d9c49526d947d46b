"""Delivery to a carrier that throttles, has a pace, or has an open circuit breaker."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from pipeline.database import Work
from pipeline.runtime import Connection, Runtime
from pipeline.settings import Settings
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.resend import resend_due
from pipeline.store import accounts, circuit_breakers, wallet_ledger
from pipeline.store.circuit_breakers import Breaker
from schema.message import Hint
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.stages.scripted import Stage
from tests.world import World

ATTEMPTS = "SELECT n, carrier, outcome, code FROM provider_attempts ORDER BY message_id, n"


def numbers(count: int, first: int = 0) -> list[str]:
    return [f"+23480{first + place:08d}" for place in range(count)]


def limit(world: World, carrier: str, segments_per_second: float) -> None:
    world.run(
        "UPDATE carriers SET segments_per_second = %(pace)s WHERE name = %(name)s",
        pace=segments_per_second,
        name=carrier,
    )


def second_account(world: World) -> None:
    with world.rt.begin() as conn:
        other = accounts.create(conn, "other", "NGN")
        assert other is not None
        accounts.set_sender(conn, other, "ACME")
        wallet_ledger.top_up(conn, other, 1_000_000, "test", world.rt.now())


def test_a_throttled_message_waits_for_the_same_carrier(world: World) -> None:
    world.add_carrier("alpha", {"throttle:7": 1})
    world.add_carrier("beta", rank=2)

    world.send(*numbers(3))

    assert set(world.rows(ATTEMPTS)) == {(1, "alpha", "refused_transient", "throttled")}
    waiting = """SELECT status, carrier, size, attempt, round, tried,
                        due_at - now() BETWEEN interval '5 s' AND interval '8 s' FROM batches WHERE status <> 'done'"""
    assert world.rows(waiting) == [("waiting", "alpha", 3, 2, 0, [], True)]


def test_a_throttled_message_is_sent_when_the_carrier_has_capacity_again(world: World) -> None:
    world.add_carrier("alpha", {"throttle:1": 1})
    world.send()
    world.add_carrier("alpha")

    world.make_due()
    world.deliver_all(promote(world.rt))

    assert world.rows(ATTEMPTS) == [(1, "alpha", "refused_transient", "throttled"), (2, "alpha", "accepted", None)]


def test_a_throttled_message_that_would_expire_before_its_retry_fails(world: World) -> None:
    world.add_carrier("alpha", {"throttle:3600": 1})

    world.send(**{"class": "otp"})

    assert world.rows("SELECT status, money, error_code FROM messages") == [("failed", "released", "expired")]
    assert world.balance() == 1_000_000


def test_the_pace_of_a_carrier_is_not_exceeded(world: World) -> None:
    limit(world, "alpha", 50)
    hints = world.pay(world.submit(world.order(*numbers(60))))
    began = time.monotonic()

    more = deliver(world.rt, [hint.batch for hint in hints])

    assert more == []
    assert time.monotonic() - began > (60 - 5) / 50 * 0.95
    assert world.rows("SELECT count(*) FROM provider_attempts WHERE outcome = 'accepted'") == [60]


def test_a_long_message_counts_its_segments_against_the_pace(world: World) -> None:
    limit(world, "alpha", 50)
    hints = world.pay(world.submit(world.order(*numbers(3), body="x" * 1500)))  # ten segments each
    began = time.monotonic()

    deliver(world.rt, [hint.batch for hint in hints])

    assert time.monotonic() - began > (30 - 5) / 50 * 0.95
    assert world.rows("SELECT count(*) FROM provider_attempts WHERE outcome = 'accepted'") == [3]


def test_accounts_share_the_pace_of_a_carrier_equally(world: World) -> None:
    limit(world, "alpha", 40)
    second_account(world)
    mine = [hint for n in range(3) for hint in world.pay(world.submit(world.order(*numbers(200, 1000 * n))))]
    world.pay(world.submit(world.order(*numbers(40, 9000), account="other")))

    hints = deliver(world.rt, [mine[0].batch])

    taken = dict(
        world.rows(
            "SELECT a.name, count(*) FROM provider_attempts JOIN messages AS m ON m.id = message_id "
            "JOIN accounts AS a ON a.id = account_id GROUP BY 1"
        )
    )
    assert abs(taken["acme"] - taken["other"]) <= 5
    assert 60 < sum(taken.values()) < 110
    assert {hint.batch for hint in hints} >= {mine[0].batch}
    assert world.rows("SELECT count(*) FROM batches WHERE status = 'sending'") == [0]


def test_a_hint_claims_nothing_while_another_run_has_the_carriers_turn(world: World) -> None:
    limit(world, "alpha", 40)
    hints = [hint for n in range(2) for hint in world.pay(world.submit(world.order(*numbers(5, 1000 * n))))]
    world.run(
        "UPDATE batches SET status = 'sending', lease_until = now() + interval '1 minute' WHERE id = %(id)s",
        id=hints[0].batch,
    )

    assert deliver(world.rt, [hints[1].batch]) == []
    assert world.rows("SELECT count(*) FROM provider_attempts") == [0]


def test_the_end_of_a_turn_returns_a_hint_of_the_next_batch(world: World) -> None:
    limit(world, "alpha", 1000)
    first, second = (world.pay(world.submit(world.order(*numbers(800, 1000 * n))))[0] for n in range(2))

    turns = [deliver(world.rt, [second.batch]) for _ in range(2)]

    assert [[hint.batch for hint in hints] for hints in turns] == [[first.batch], [second.batch]]
    assert world.rows("SELECT status FROM batches ORDER BY id") == ["done", "queued"]


def test_a_batch_hinted_just_before_the_last_commit_of_a_turn_is_hinted_after_it(
    world: World, settings: Settings
) -> None:
    limit(world, "alpha", 1000)
    [first] = world.pay(world.submit(world.order(**{"class": "otp"})))
    second: list[Hint] = []

    def come() -> None:
        second.extend(world.pay(world.submit(world.order(*numbers(1), **{"class": "otp"}))))
        assert deliver(world.rt, [second[0].batch]) == []

    with closing(Interrupted(settings, 3, come)) as rt:
        hints = deliver(rt, [first.batch])

    assert hints == second
    world.deliver_all(hints)
    assert world.rows("SELECT count(*) FROM messages WHERE status = 'sent'") == [2]


class Interrupted(Runtime):
    """A runtime to which something happens before its n-th transaction is committed."""

    def __init__(self, settings: Settings, n: int, what: Callable[[], None]) -> None:
        super().__init__(settings)
        self.left, self.what = n, what

    @contextmanager
    def begin(self, work: Work | None = None) -> Iterator[Connection]:
        with super().begin(work) as conn:
            yield conn
            self.left -= 1
            if self.left == 0:
                self.what()


@pytest.mark.parametrize(
    ("seconds", "end"), [(1, [("alpha", 2, "accepted")]), (200_000, [])], ids=["in time", "its time is over by then"]
)
def test_a_throttled_message_waits_for_the_same_carrier_when_its_batch_is_given_back(
    stage: Stage, seconds: float, end: list[Any]
) -> None:
    stage.carrier("alpha", Outcome.REFUSED_TRANSIENT).retry_after = seconds
    stage.carrier("beta")
    limit(stage.world, "alpha", 30)
    [batch] = stage.world.pay(stage.world.submit(stage.world.order(*numbers(150))))

    hints = deliver(stage.rt, [batch.batch])

    [throttled] = stage.world.rows("SELECT message_id FROM provider_attempts WHERE outcome = 'refused_transient'")
    assert [hint.batch for hint in hints] == [batch.batch]
    limit(stage.world, "alpha", 3000)
    stage.carry(hints)
    stage.world.make_due()
    stage.carry(promote(stage.rt))
    later = "SELECT carrier, n, outcome FROM provider_attempts WHERE message_id = %(id)s AND n > 1"
    assert stage.world.rows(later, id=throttled) == end
    assert stage.world.status(throttled) == ("sent" if end else "failed")
    assert stage.world.balance() == 1_000_000 - 400 * (150 if end else 149)
    assert stage.world.rows("SELECT count(*) FROM provider_attempts WHERE outcome = 'accepted' AND n = 1") == [149]


@pytest.mark.parametrize("pace", [60, 500])
def test_small_batches_get_the_same_share_of_a_turn_as_a_large_one(world: World, pace: int) -> None:
    limit(world, "alpha", pace)
    second_account(world)
    [campaign] = world.pay(world.submit(world.order(*numbers(max(300, pace)))))
    for number in numbers(max(100, pace // 2), 9000):
        world.pay(world.submit(world.order(number, account="other")))

    deliver(world.rt, [campaign.batch])

    taken = dict(
        world.rows(
            "SELECT a.name, count(*) FROM provider_attempts JOIN messages AS m ON m.id = message_id "
            "JOIN accounts AS a ON a.id = account_id GROUP BY 1"
        )
    )
    assert abs(taken["acme"] - taken["other"]) <= 1
    assert sum(taken.values()) > min(pace, 200)


def test_codes_of_an_account_are_sent_before_its_campaign(world: World) -> None:
    limit(world, "alpha", 60)
    [campaign] = world.pay(world.submit(world.order(*numbers(20))))
    codes = [world.pay(world.submit(world.order(number, **{"class": "otp"})))[0] for number in numbers(2, 9000)]

    deliver(world.rt, [campaign.batch])

    first = world.rows("SELECT batch_id FROM provider_attempts ORDER BY marked_at LIMIT 2")
    assert set(first) == {code.batch for code in codes}


def test_a_failing_carrier_gets_no_more_than_twenty_attempts(world: World) -> None:
    world.add_carrier("alpha", {"down": True})
    world.add_carrier("beta", rank=2)
    for n in range(20):
        world.send(*numbers(1, n))

    assert world.rows("SELECT count(*) FROM provider_attempts WHERE carrier = 'alpha'")[0] <= 20
    assert world.rows("SELECT count(*) FROM messages WHERE status = 'sent'") == [20]


def test_a_batch_for_a_carrier_with_an_open_breaker_goes_to_the_next_without_an_attempt(world: World) -> None:
    world.add_carrier("beta", rank=2)
    hints = world.pay(world.submit(world.order(*numbers(5))))
    world.rt.health("alpha").note_outcomes([("NG", False)] * 20)

    world.deliver_all(hints)

    assert set(world.rows(ATTEMPTS)) == {(1, "beta", "accepted", None)}


def test_a_failed_probe_sends_the_remaining_messages_to_the_next_carrier(world: World) -> None:
    world.add_carrier("alpha", {"down": True})
    world.add_carrier("beta", rank=2)
    hints = world.pay(world.submit(world.order(*numbers(30))))
    world.rt.health("alpha").note_outcomes([("NG", False)] * 20)
    world.end_pause("alpha")

    world.deliver_all(hints)

    assert world.rows("SELECT count(*) FROM provider_attempts WHERE carrier = 'alpha'") == [1]
    assert world.rows("SELECT count(*) FROM provider_attempts WHERE carrier = 'beta' AND outcome = 'accepted'") == [30]


def test_a_successful_probe_sends_the_remaining_messages_to_the_same_carrier(world: World) -> None:
    world.add_carrier("beta", rank=2)
    hints = world.pay(world.submit(world.order(*numbers(30))))
    world.rt.health("alpha").note_outcomes([("NG", False)] * 20)
    world.end_pause("alpha")

    world.deliver_all(hints)

    assert set(world.rows(ATTEMPTS)) == {(1, "alpha", "accepted", None)}
    assert circuit_breakers.acquire(world.rt.valkey, ["alpha"], 1) == {"alpha": Breaker.CLOSED}


def test_a_stopping_process_counts_no_attempt_for_messages_not_sent_after_its_probe(world: World) -> None:
    world.add_carrier("beta", rank=2)
    hints = world.pay(world.submit(world.order(*numbers(10))))
    world.rt.health("alpha").note_outcomes([("NG", False)] * 20)
    world.end_pause("alpha")
    world.rt.is_stopping = lambda: True

    given_back = deliver(world.rt, [hint.batch for hint in hints])

    assert world.rows(ATTEMPTS) == [(1, "alpha", "accepted", None)]
    world.rt.is_stopping = lambda: False
    world.deliver_all(given_back)
    assert world.rows(ATTEMPTS) == [(1, "alpha", "accepted", None)] * 10


def test_a_stopping_process_gives_back_resends_that_wait_behind_its_probe(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    for message in stage.send(*numbers(4)):
        stage.receive(message, "alpha", ReceiptVerdict.FAILED, retryable=True)
    hints = resend_due(stage.rt).hints
    stage.rt.health("beta").note_outcomes([("NG", False)] * 20)
    stage.world.end_pause("beta")
    stage.rt.is_stopping = lambda: True

    given_back = deliver(stage.rt, [hint.batch for hint in hints])

    stage.rt.is_stopping = lambda: False
    stage.carry(given_back)
    assert stage.tried() == [("alpha", "accepted")] * 4 + [("beta", "accepted")] * 4
