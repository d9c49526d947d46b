"""Carriers at a glance: from sums and partial indexes."""

from pipeline.stages.admin.carrier_overview import carrier_overview
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.fold_counts import fold_counts
from pipeline.stages.settle import settle_on_arrival
from schema.carriage import Receipt
from schema.vocabulary import CarrierState, ReceiptVerdict
from tests.world import World, message_ids


def test_each_carrier_is_shown_with_what_it_delivered_and_what_waits_for_it(world: World) -> None:
    world.add_carrier("beta", rank=2)
    first, second, _ = message_ids(world.send("+2348012345678", "+2348012345679", "+2348012345670"))
    verdicts = {first: ReceiptVerdict.DELIVERED, second: ReceiptVerdict.FAILED}
    settle_on_arrival(
        world.rt,
        [Receipt("alpha", str(ref), word, None, ref, code="1", at=None, raw="") for ref, word in verdicts.items()],
    )
    world.pay(world.submit(world.order("+2348012345671")))
    set_carrier_state(world.rt, "beta", CarrierState.DRAINED, "maintenance")
    fold_counts(world.rt)

    found = {each.name: each for each in carrier_overview(world.rt)}

    alpha, beta = found["alpha"], found["beta"]
    assert (alpha.state, alpha.due, alpha.traffic.delivered, alpha.traffic.undelivered) == (
        CarrierState.ACTIVE,
        1,
        1,
        1,
    )
    assert (alpha.binds, alpha.is_unhealthy) == (None, False)
    assert (beta.state, beta.reason, beta.due, beta.traffic.delivered) == (CarrierState.DRAINED, "maintenance", 0, 0)
