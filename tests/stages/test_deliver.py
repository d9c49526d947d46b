import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.carriers.simulated import Simulated
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims
from schema.carriage import Attempt, Parcel
from schema.vocabulary import CarrierState, UnknownAbility
from tests.world import World

NUMBERS = [f"+23480123456{n:02}" for n in range(20)]
ATTEMPTS = "SELECT n, carrier, outcome, code FROM provider_attempts ORDER BY message_id, n"
STATES = "SELECT status, money, error_code FROM messages ORDER BY id"


class Adapter:
    """What a carrier has at least."""

    name = "alpha"
    call_deadline = 1.0
    unknown_ability = UnknownAbility.BLIND
    dedupe_seconds = 0.0

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


@pytest.mark.parametrize(
    ("scripted", "outcome", "state"),
    [
        pytest.param("accept", "accepted", ("sent", "captured", None), id="accepted: sent and earned"),
        pytest.param("refuse:21", "refused_permanent", ("failed", "released", "carrier_refused"), id="refused: over"),
        pytest.param("silent", "unknown", ("sent", "held", None), id="unknown: perhaps sent, not earned"),
        pytest.param("reset", "unknown", ("sent", "held", None), id="reset: unknown too"),
    ],
)
def test_the_outcome_of_an_attempt_decides_status_and_money(
    world: World, scripted: str, outcome: str, state: tuple[Any, ...]
) -> None:
    world.add_carrier("alpha", {scripted: 1})
    world.add_carrier("beta", rank=2)

    world.send()

    [(n, carrier, found, _)] = world.rows(ATTEMPTS)
    assert (n, carrier, found) == (1, "alpha", outcome)
    assert world.rows(STATES) == [state]


@pytest.mark.parametrize("script", [{"refuse_transient": 1}, {"down": True}])
def test_a_message_that_a_carrier_refuses_for_now_goes_to_the_next(world: World, script: dict[str, Any]) -> None:
    world.add_carrier("alpha", script)
    world.add_carrier("beta", rank=2)

    world.send(*NUMBERS)

    assert world.rows("SELECT n, carrier, outcome = 'accepted', count(*) FROM provider_attempts GROUP BY 1, 2, 3") in (
        [(1, "alpha", False, 20), (2, "beta", True, 20)],
        [(2, "beta", True, 20), (1, "alpha", False, 20)],
    )
    assert set(world.rows("SELECT status FROM messages")) == {"sent"}


def test_only_transiently_refused_messages_go_to_the_next_carrier(world: World) -> None:
    world.add_carrier("alpha", {"numbers": {"07": "refuse_transient", "08": "refuse:1", "09": "silent"}})
    world.add_carrier("beta", rank=2)

    world.send(*NUMBERS)

    assert world.rows("SELECT count(*) FROM provider_attempts WHERE carrier = 'beta'") == [1]
    assert world.rows("SELECT count(*) FROM messages WHERE status = 'failed'") == [1]


def test_a_round_tries_each_carrier_once_and_the_next_round_waits(world: World) -> None:
    world.add_carrier("alpha", {"refuse_transient": 1})
    world.add_carrier("beta", {"down": True}, rank=2)

    world.send()

    assert [row[:2] for row in world.rows(ATTEMPTS)] == [(1, "alpha"), (2, "beta")]
    assert world.rows("SELECT status, round, tried, due_at > now() FROM batches WHERE status <> 'done'") == [
        ("waiting", 1, [], True)
    ]
    assert world.rows(STATES) == [(None, "held", None)]


def test_a_message_fails_after_its_last_round(world: World) -> None:
    world.add_carrier("alpha", {"refuse_transient": 1})
    world.deliver_all(world.pay(world.submit(world.order(**{"class": "otp"}))))

    for _ in range(10):
        world.make_due()
        world.deliver_all(promote(world.rt))

    assert [row[0] for row in world.rows(ATTEMPTS)] == [1, 2, 3, 4, 5]
    assert world.rows(STATES) == [("failed", "released", "no_carrier_left")]
    assert world.balance() == 1_000_000


def test_a_drained_carrier_is_skipped_without_an_attempt(world: World) -> None:
    world.add_carrier("beta", rank=2)
    hints = world.pay(world.submit(world.order()))
    world.run("UPDATE carriers SET state = %(state)s WHERE name = 'alpha'", state=CarrierState.DRAINED)

    world.deliver_all(hints)

    assert world.rows(ATTEMPTS) == [(1, "beta", "accepted", None)]


def test_messages_wait_while_all_their_carriers_are_drained(world: World) -> None:
    hints = world.pay(world.submit(world.order()))
    world.run("UPDATE carriers SET state = 'drained'")
    world.deliver_all(hints)
    assert world.rows(STATES) == [(None, "held", None)]

    world.run("UPDATE carriers SET state = 'active'")
    world.make_due()
    world.deliver_all(promote(world.rt))

    assert world.rows(ATTEMPTS) == [(1, "alpha", "accepted", None)]


def test_messages_of_a_suspended_account_wait(world: World) -> None:
    hints = world.pay(world.submit(world.order()))
    world.run("UPDATE accounts SET state = 'suspended'")
    world.deliver_all(hints)
    assert world.rows(STATES) == [(None, "held", None)]

    world.run("UPDATE accounts SET state = 'active'")
    world.make_due()
    world.deliver_all(promote(world.rt))

    assert world.rows(ATTEMPTS) == [(1, "alpha", "accepted", None)]


def test_a_suspended_account_does_not_delay_other_accounts(world: World) -> None:
    world.run("INSERT INTO accounts (name, currency) VALUES ('other', 'NGN')")
    world.run("INSERT INTO wallets (account_id) SELECT id FROM accounts WHERE name = 'other'")
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'other'")
    world.run("UPDATE wallets SET credit_limit = 1000")
    theirs = world.pay(world.submit(world.order(account="other")))
    ours = world.pay(world.submit(world.order()))
    world.run("UPDATE accounts SET state = 'suspended' WHERE name = 'other'")

    world.deliver_all([*theirs, *ours])

    assert world.rows("SELECT account_id FROM messages WHERE status = 'sent'") == [world.account]
    assert world.rows("SELECT count(*) FROM messages WHERE status IS NULL") == [1]


def test_a_carrier_with_invalid_settings_is_skipped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_carrier("beta", rank=2)
    world.run("UPDATE carriers SET settings = '{\"speed\": 1}' WHERE name = 'alpha'")

    with caplog.at_level(logging.ERROR):
        world.send()

    assert world.rows(ATTEMPTS) == [(1, "beta", "accepted", None)]
    assert "alpha: speed" in caplog.text


def test_a_carrier_whose_deadline_exceeds_the_lease_is_skipped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_carrier("beta", rank=2)
    settings = '{"base_url": "http://127.0.0.1:1", "call_deadline": 21}'
    world.run(
        "UPDATE carriers SET kind = 'http', settings = %(settings)s::jsonb WHERE name = 'alpha'", settings=settings
    )

    with caplog.at_level(logging.ERROR):
        world.send()

    assert world.rows(ATTEMPTS) == [(1, "beta", "accepted", None)]
    assert "alpha: call_deadline is 21 s" in caplog.text


def test_an_expired_message_is_not_sent(world: World) -> None:
    hints = world.pay(world.submit(world.order(valid_until=datetime.now(UTC) + timedelta(hours=1))))
    world.run("UPDATE batches SET valid_until = now() - interval '1 second'")

    world.deliver_all(hints)

    assert world.rows(ATTEMPTS) == []
    assert world.rows(STATES) == [("failed", "released", "expired")]
    assert world.balance() == 1_000_000


def test_a_delivered_batch_is_not_delivered_again(world: World) -> None:
    hints = world.pay(world.submit(world.order()))

    world.deliver_all(hints)
    world.deliver_all(hints)

    assert len(world.rows(ATTEMPTS)) == 1


def test_each_batch_of_a_common_delivery_run_is_recorded(world: World) -> None:
    answers = [world.submit(world.order(number))[0] for number in NUMBERS]
    hints = world.pay(answers)

    world.deliver_all([hints[0]])
    assert deliver(world.rt, [hint.batch for hint in hints]) == []

    assert set(world.rows(STATES)) == {("sent", "captured", None)}
    assert set(world.rows("SELECT status FROM batches")) == {"done"}
    assert len(world.rows(ATTEMPTS)) == 20


def test_a_small_batch_is_sent_together_with_others_of_the_same_class_and_carrier(world: World) -> None:
    world.add_carrier("beta", route="GB")
    hints = world.pay(
        world.submit(world.order(NUMBERS[0]))
        + world.submit(world.order(NUMBERS[1]))
        + world.submit(world.order(NUMBERS[2], **{"class": "otp"}))
        + world.submit(world.order("+447400123456"))
        + world.submit(world.order(*NUMBERS[:6]))
    )

    deliver(world.rt, [hints[0].batch])

    assert world.rows("SELECT status FROM batches ORDER BY id") == ["done", "done", "queued", "queued", "queued"]
    for hint in hints:
        deliver(world.rt, [hint.batch])


def test_each_portion_is_marked_before_it_is_sent(world: World, settings: Settings) -> None:
    rt = Runtime(settings.model_copy(update={"portion_size": 5}))
    hints = world.pay(world.submit(world.order(*NUMBERS)))
    seen = []

    class Watching(Adapter):
        def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
            seen.append((len(parcels), parcels[-1].ref, *world.rows("SELECT marked, recorded FROM batches")[0]))
            return world.rt.carrier("alpha", "simulated", {}).send(parcels)

    rt._carriers["alpha"] = (json.dumps(["simulated", {"script": {}}]), Watching())
    deliver(rt, [hints[0].batch])

    ids = world.rows("SELECT id FROM messages ORDER BY id")
    assert seen == [
        (5, ids[4], ids[4], None),
        (5, ids[9], ids[9], ids[4]),
        (5, ids[14], ids[14], ids[9]),
        (5, ids[19], ids[19], ids[14]),
    ]
    rt.close()


def test_an_exception_of_an_adapter_leaves_the_outcomes_of_its_portion_unknown(world: World) -> None:
    hints = world.pay(world.submit(world.order(*NUMBERS)))

    class Broken(Adapter):
        def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
            raise RuntimeError("broken")

    world.rt._carriers["alpha"] = (json.dumps(["simulated", {"script": {}}]), Broken())
    world.deliver_all(hints)

    assert set(world.rows(ATTEMPTS)) == {(1, "alpha", "unknown", "adapter_fault")}


def test_a_worker_that_lost_its_claim_records_only_late_outcomes(world: World) -> None:
    hints = world.pay(world.submit(world.order(*NUMBERS)))
    batch = hints[0].batch

    class Overtaken(Adapter):
        def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
            with world.rt.begin() as conn:
                conn.exec_driver_sql("UPDATE batches SET lease_until = now() - interval '1 minute'")
            sweep(world.rt)
            return Simulated("alpha", {}).send(parcels)

    world.rt._carriers["alpha"] = (json.dumps(["simulated", {"script": {}}]), Overtaken())
    assert deliver(world.rt, [batch]) == []

    assert set(world.rows("SELECT outcome, late_outcome, carrier_ref IS NULL FROM provider_attempts")) == {
        ("unknown", "accepted", False)
    }
    assert set(world.rows(STATES)) == {("sent", "held", None)}
    assert world.rows("SELECT status FROM batches") == ["queued"]
    world.run("UPDATE carriers SET settings = '{}'")
    world.deliver_all(hints)


def test_an_update_with_an_outdated_fence_changes_nothing(world: World) -> None:
    hints = world.pay(world.submit(world.order()))
    with world.rt.begin() as conn:
        [claim] = batch_claims.claim(conn, [hints[0].batch], 60)
        assert batch_claims.claim(conn, [hints[0].batch], 60) == []

    with world.rt.begin() as conn:
        step = batch_claims.PortionMark(claim.span.batch, claim.fence - 1, None, claim.span.last)
        assert batch_claims.advance(conn, [step], 60).ours == set()
        assert batch_claims.advance(
            conn, [batch_claims.PortionMark(claim.span.batch, claim.fence, None, None)], 60
        ).ours
    world.run("UPDATE batches SET status = 'queued'")
    world.deliver_all(hints)


def test_events_are_written_for_accounts_that_subscribe(world: World) -> None:
    world.run("UPDATE accounts SET subscribes = true")
    world.add_carrier("alpha", {"numbers": {"08": "refuse:1"}})

    world.send("+2348012345607", "+2348012345608")

    assert sorted(world.rows("SELECT status FROM events")) == ["failed", "queued", "queued", "sent"]


def test_the_carriers_own_log_agrees_with_the_recorded_attempts(world: World, tmp_path: Path) -> None:
    log = tmp_path / "oracle.jsonl"
    with world.rt.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE carriers SET settings = %(settings)s::jsonb WHERE name = 'alpha'",
            {"settings": json.dumps({"script": {"silent": 0.5}, "log": str(log)})},
        )

    world.send(*NUMBERS)

    taken = {line["ref"] for line in map(json.loads, log.read_text().splitlines()) if line["taken"]}
    recorded = set(
        world.rows("SELECT message_id::text FROM provider_attempts WHERE outcome IN ('accepted', 'unknown')")
    )
    assert taken == recorded
