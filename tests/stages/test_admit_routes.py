"""Which carrier is chosen for an admitted message."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import event

from pipeline.stages.admin.carriers import adjust_carrier, set_carrier, set_carrier_state
from pipeline.stages.admin.networks import set_networks
from pipeline.stages.admin.routes import drop_route, set_route
from pipeline.stages.admit import admit
from schema.message import Admission
from schema.vocabulary import CarrierState, Code
from tests.world import World

NUMBERS = [f"+23480123{number:05}" for number in range(500)]


def judge(world: World, *numbers: str, **fields: Any) -> Admission:
    [admission] = admit(world.rt, [(world.rt.new_ids(), world.order(*numbers, **fields))])
    return admission


def test_a_number_keeps_its_carrier_from_order_to_order(world: World) -> None:
    for name in ("beta", "gamma"):
        world.add_carrier(name)

    first, second = judge(world, *NUMBERS), judge(world, *reversed(NUMBERS))

    carriers = {draft.phone: draft.carrier for draft in first.drafts}
    assert {draft.phone: draft.carrier for draft in second.drafts} == carriers
    assert all(120 < count < 210 for count in Counter(carriers.values()).values())


def test_draining_a_carrier_moves_only_its_own_numbers(world: World) -> None:
    for name in ("beta", "gamma"):
        world.add_carrier(name)
    before = {draft.phone: draft.carrier for draft in judge(world, *NUMBERS).drafts}

    set_carrier_state(world.rt, "gamma", CarrierState.DRAINED)
    after = {draft.phone: draft.carrier for draft in judge(world, *NUMBERS).drafts}

    assert {before[phone] for phone in NUMBERS if after[phone] != before[phone]} == {"gamma"}
    assert set(after.values()) == {"alpha", "beta"}


def test_a_carrier_without_the_needed_capability_is_not_chosen(world: World) -> None:
    world.add_carrier("beta", rank=0)
    set_carrier(world.rt, "beta", "simulated", {}, {"ucs2": False, "dlt": False})

    carriers = {
        (number, body): judge(world, number, body=body).drafts[0].carrier
        for number in ("+2348012345678", "+919812345678")
        for body in ("Hello", "Привет")
    }

    assert carriers == {
        ("+2348012345678", "Hello"): "beta",
        ("+2348012345678", "Привет"): "alpha",
        ("+919812345678", "Hello"): "alpha",
        ("+919812345678", "Привет"): "alpha",
    }


def test_a_carrier_without_dlt_ids_is_not_chosen_for_india(world: World) -> None:
    keys = {"api_key": "k", "api_secret": "s", "receipt_token": "t"}
    dlt = {"*": {"entity_id": "1101456320000012345", "content_id": "1107161234567890123"}}
    twilio = {"account_sid": "AC1", "auth_token": "t"}
    bought: list[tuple[str, str, Mapping[str, Any]]] = [
        ("tw", "twilio", twilio),
        ("bare", "vonage", keys),
        ("full", "vonage", {**keys, "dlt": dlt}),
    ]
    for rank, (name, kind, settings) in enumerate(bought):
        set_carrier(world.rt, name, kind, settings)
        set_route(world.rt, "*", name, rank=rank)
    drop_route(world.rt, "*", "alpha")

    chosen = [draft.carrier for draft in judge(world, "+2348012345678", "+919812345678").drafts]
    adjust_carrier(world.rt, "tw", {"dlt": True}, None)
    then = [draft.carrier for draft in judge(world, "+919812345678").drafts]
    adjust_carrier(world.rt, "tw", {"dlt": False}, None)
    set_carrier(world.rt, "full", "vonage", keys)
    at_last = [refusal.code for refusal in judge(world, "+919812345678").refusals]

    assert (chosen, then, at_last) == (["tw", "full"], ["tw"], [Code.NO_ROUTE])


def test_a_message_that_no_carrier_can_carry_is_refused(world: World) -> None:
    set_carrier(world.rt, "alpha", "simulated", {}, {"alphanumeric": False})

    assert [refusal.code for refusal in judge(world).refusals] == [Code.NO_ROUTE]


def test_a_route_to_a_network_takes_the_numbers_of_that_network(world: World) -> None:
    set_networks(world.rt, {"234801": "621-20", "234": "621-30"})
    set_carrier(world.rt, "beta", "simulated", {})
    set_route(world.rt, "621-20", "beta")

    admission = judge(world, "+2348012345678", "+2348032345678")

    assert [draft.carrier for draft in admission.drafts] == ["beta", "alpha"]
    assert admission.snapshot is not None


def test_a_changed_numbering_plan_is_used_after_the_snapshot_cache_expires(world: World) -> None:
    set_carrier(world.rt, "beta", "simulated", {})
    set_route(world.rt, "621-20", "beta")
    before = judge(world)

    set_networks(world.rt, {"234801": "621-20"})
    at_once = judge(world)
    world.rt.snapshots.FRESH = 0.0
    later = judge(world)

    assert [each.drafts[0].carrier for each in (before, at_once, later)] == ["alpha", "alpha", "beta"]
    assert before.snapshot == at_once.snapshot != later.snapshot


def test_an_unchanged_routing_snapshot_takes_no_statement(world: World) -> None:
    statements: list[str] = []
    for _ in range(2):  # kept by the first, known by heart since the second
        judge(world)
    event.listen(world.rt.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    judge(world, *NUMBERS)

    assert len([each for each in statements if "routes" in each]) == 1
    assert not [each for each in statements if "routing_snapshots" in each]
