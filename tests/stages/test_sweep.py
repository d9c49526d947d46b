from collections.abc import Iterator
from uuid import UUID

import pytest

from pipeline.errors import DatabaseFault
from pipeline.stages.admin.audit import audit
from pipeline.stages.segment import segment
from pipeline.stages.sweep import sweep
from pipeline.store import attempts, batch_claims
from tests.world import World

NUMBERS = [f"+23480123456{n:02}" for n in range(10)]


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def forget(world: World) -> None:
    world.run("UPDATE batches SET hinted_at = now() - interval '1 hour'")


def die_after_marking(world: World, upto: int) -> UUID:
    """Let a worker claim ten messages, mark some of them and go silent; return the batch."""
    [hint] = world.pay(world.submit(world.order(*NUMBERS)))
    ids = world.rows("SELECT id FROM messages ORDER BY id")
    with world.rt.begin() as conn:
        [claim] = batch_claims.claim(conn, [hint.batch], 60)
        batch_claims.advance(conn, [batch_claims.PortionMark(hint.batch, claim.fence, None, ids[upto - 1])], 60)
    world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
    return hint.batch


def test_an_admitted_batch_without_a_recent_hint_is_hinted_again(world: World) -> None:
    [answer] = world.submit(world.order())
    assert sweep(world.rt).admitted == []

    forget(world)
    swept = sweep(world.rt)

    assert [hint.batch for hint in swept.admitted] == answer.batches
    assert sweep(world.rt).admitted == []


def test_a_queued_batch_is_hinted_again_with_backoff(world: World) -> None:
    [hint] = world.pay(world.submit(world.order()))
    world.run("UPDATE batches SET hinted_at = now() - interval '20 seconds'")
    assert [each.batch for each in sweep(world.rt).queued] == [hint.batch]

    world.run("UPDATE batches SET hinted_at = now() - interval '20 seconds'")
    assert sweep(world.rt).queued == []

    world.run("UPDATE batches SET hinted_at = now() - interval '40 seconds'")
    assert [each.batch for each in sweep(world.rt).queued] == [hint.batch]
    world.deliver_all([hint])


def test_messages_marked_by_a_dead_worker_are_unknown_and_the_rest_is_sent(world: World) -> None:
    batch = die_after_marking(world, 4)

    swept = sweep(world.rt)

    assert [hint.batch for hint in swept.queued] == [batch]
    assert world.rows("SELECT count(*), outcome, code FROM provider_attempts GROUP BY 2, 3") == [
        (4, "unknown", "worker_lost")
    ]
    world.deliver_all(swept.queued)
    assert world.rows("SELECT outcome, count(*) FROM provider_attempts GROUP BY 1 ORDER BY 1") == [
        ("accepted", 6),
        ("unknown", 4),
    ]
    assert world.rows("SELECT DISTINCT status FROM messages") == ["sent"]
    assert world.balance() == 1_000_000 - 10 * 400


def test_a_batch_within_its_lease_is_not_swept(world: World) -> None:
    [hint] = world.pay(world.submit(world.order()))
    with world.rt.begin() as conn:
        batch_claims.claim(conn, [hint.batch], 60)

    assert sweep(world.rt).queued == []
    world.run("UPDATE batches SET status = 'queued'")
    world.deliver_all([hint])


def test_sweeping_twice_records_unknown_outcomes_once(world: World) -> None:
    die_after_marking(world, 4)

    first = sweep(world.rt)
    sweep(world.rt)

    assert world.rows("SELECT count(*) FROM provider_attempts") == [4]
    world.deliver_all(first.queued)


def test_a_batch_that_kills_its_workers_is_ended_as_poison(world: World) -> None:
    batch = die_after_marking(world, 4)
    world.run("UPDATE batches SET claims = 3")

    assert sweep(world.rt).queued == []

    assert world.rows("SELECT status FROM batches WHERE id = %(id)s", id=batch) == ["done"]
    assert world.rows("SELECT status, error_code, count(*) FROM messages GROUP BY 1, 2 ORDER BY 1") == [
        ("failed", "poison", 6),
        ("sent", None, 4),
    ]
    assert world.balance() == 1_000_000 - 4 * 400


def test_an_admitted_batch_that_kills_its_workers_is_rejected_as_poison(world: World) -> None:
    world.submit(world.order())
    world.run("UPDATE batches SET hints = 1, claims = 3")

    forget(world)
    assert sweep(world.rt).admitted == []

    assert world.rows("SELECT status, error_code FROM messages") == [("rejected", "poison")]
    assert world.rows("SELECT status FROM batches") == ["done"]


def test_a_batch_that_cannot_be_billed_is_rejected_as_poison_and_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.run("UPDATE prices SET per_segment = 9223372036854775807")
    [answer] = world.submit(world.order(body="x" * 161))

    for _ in range(3):
        assert world.status(answer.messages[0]) == ""
        with pytest.raises(DatabaseFault):
            world.pay([answer])
        forget(world)
        sweep(world.rt)

    assert world.rows("SELECT status, error_code FROM messages") == [("rejected", "poison")]
    assert f"batch {answer.batches[0]} is put aside" in caplog.text


def test_measuring_a_batch_does_not_count_as_a_claim(world: World) -> None:
    [answer] = world.submit(world.order())
    world.run("UPDATE batches SET hints = 1, claims = 2")

    segment(world.rt, answer.batches[0])

    assert world.rows("SELECT claims FROM batches") == [2]
    world.deliver_all(world.pay([answer]))


def test_an_unknown_outcome_that_is_never_resolved_releases_the_money(world: World) -> None:
    world.add_carrier("alpha", {"silent": 1})
    world.send()
    sweep(world.rt)
    assert world.rows("SELECT status, money FROM messages") == [("sent", "held")]

    world.run("UPDATE provider_attempts SET marked_at = now() - interval '73 hours'")
    world.run("UPDATE batches SET created_at = now() - interval '73 hours'")
    with world.rt.begin() as conn:
        assert len(attempts.unresolved(conn, 72, 10)) == 1
    sweep(world.rt)

    assert world.rows("SELECT status, money, error_code FROM messages") == [("failed", "released", "unresolved")]
    assert world.balance() == 1_000_000
