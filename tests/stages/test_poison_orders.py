from pipeline.stages.admit import admit
from pipeline.stages.ingest import ingest
from pipeline.stages.poison_orders import POISON, count_redelivery
from tests.world import World


def test_an_order_is_poison_at_its_fourth_redelivery(world: World) -> None:
    request, other = world.rt.new_ids(), world.rt.new_ids()

    assert [count_redelivery(world.rt, request) for _ in range(4)] == [False, False, False, True]
    assert not count_redelivery(world.rt, other)


def test_an_order_ended_as_poison_gets_that_response_when_it_is_redelivered(world: World) -> None:
    request = world.rt.new_ids()
    ingest(world.rt, admit(world.rt, [(request, [POISON])]))

    [answer] = ingest(world.rt, admit(world.rt, [(request, world.order())]))

    assert answer.replayed
    assert [refusal.code for refusal in answer.refusals] == ["poison"]
    assert world.rows("SELECT count(*) FROM messages") == [0]
