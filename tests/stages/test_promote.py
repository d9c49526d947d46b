from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.promote import promote
from pipeline.store import advisory_locks
from tests.world import World


def schedule(world: World, count: int = 1) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    world.pay(world.submit(*(world.order(send_at=later + timedelta(seconds=n)) for n in range(count))))


def test_a_batch_that_is_not_due_is_not_promoted(world: World) -> None:
    schedule(world)

    assert promote(world.rt) == []
    assert world.rows("SELECT status FROM batches") == ["scheduled"]


def test_a_due_batch_is_queued_and_hinted(world: World) -> None:
    schedule(world)
    world.make_due()

    [hint] = promote(world.rt)

    assert (hint.carrier, hint.size) == ("alpha", 1)
    assert world.rows("SELECT id, status, queued_at IS NOT NULL FROM batches") == [(hint.batch, "queued", True)]


def test_a_second_promotion_finds_nothing(world: World) -> None:
    schedule(world, 3)
    world.make_due()

    assert (len(promote(world.rt)), promote(world.rt)) == (3, [])


def test_concurrent_promotions_queue_each_batch_once(world: World, settings: Settings) -> None:
    rt = Runtime(settings.model_copy(update={"pool_size": 8}))
    schedule(world, 20)
    world.make_due()

    with ThreadPoolExecutor(8) as threads:
        found = [hint.batch for hints in threads.map(lambda _: promote(rt), range(16)) for hint in hints]

    assert len(found) == len(set(found)) == 20
    rt.close()


def test_a_promotion_does_nothing_while_another_holds_its_lock(world: World) -> None:
    schedule(world)
    world.make_due()

    with world.rt.begin() as conn:
        assert advisory_locks.is_mine(conn, "promote")
        assert promote(world.rt) == []

    assert len(promote(world.rt)) == 1
