"""Why a message went to which carrier: the routing snapshot of a choice is stored, and the choice can be repeated."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.errors import ConfigurationError, PostroadError
from pipeline.runtime import Runtime
from pipeline.stages.admin.carriers import set_carrier, set_carrier_state
from pipeline.stages.admin.explain_route import explain, find, foresee
from pipeline.stages.admin.networks import set_networks
from pipeline.stages.admin.routes import drop_route, set_route
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.store import accounts, routing_snapshot
from schema.routing import RouteLoss
from schema.vocabulary import CarrierState
from tests.world import World, message_ids

SNAPSHOTS = "SELECT count(*) FROM routing_snapshots WHERE content ? 'carriers'"


def reasons(decision: Any) -> dict[str, RouteLoss | None]:
    return {each.route.carrier: each.loss for each in decision.candidates}


def test_each_choice_of_carrier_is_explained_with_why_other_routes_were_not_chosen(world: World) -> None:
    world.add_carrier("alpha", {"refuse_transient:21": 1})
    world.add_carrier("beta", rank=2)
    world.add_carrier("gamma", rank=3)
    set_carrier_state(world.rt, "gamma", CarrierState.DRAINED)

    [id_] = message_ids(world.send())
    found = explain(world.rt, id_)

    assert found is not None
    first, second = found.choices
    assert (first.carrier, first.tried, first.is_same) == ("alpha", [], True)
    assert reasons(first.decision) == {"alpha": None, "beta": RouteLoss.HIGHER_RANK, "gamma": RouteLoss.DRAINED}
    assert [(each["outcome"], each["code"]) for each in first.attempts] == [("refused_transient", "21")]
    assert (second.carrier, second.tried, second.is_same) == ("beta", ["alpha"], True)
    assert reasons(second.decision) == {"alpha": RouteLoss.TRIED, "beta": None, "gamma": RouteLoss.DRAINED}
    assert [each["outcome"] for each in second.attempts] == ["accepted"]


def test_later_changes_of_routes_and_networks_do_not_change_the_explanation(world: World) -> None:
    set_networks(world.rt, {"234801": "621-20"})
    set_route(world.rt, "621-20", "alpha", cost=4200, currency="EUR")
    [id_] = message_ids(world.send())

    world.add_carrier("beta", rank=0)
    set_carrier_state(world.rt, "alpha", CarrierState.DRAINED)
    drop_route(world.rt, "621-20", "alpha")
    set_networks(world.rt, {"234801": "621-30"})
    found = explain(world.rt, id_)

    assert found is not None
    [choice] = found.choices
    assert choice.decision is not None
    assert (choice.decision.network, choice.decision.chain, choice.is_same) == ("621-20", ("alpha",), True)
    assert [(each.route.destination, each.loss) for each in choice.decision.candidates] == [
        ("621-20", None),
        ("*", RouteLoss.REPEATED),
    ]


def test_a_test_message_has_no_routing_decision(world: World) -> None:
    [id_] = message_ids(world.send(test=True))

    found = explain(world.rt, id_)

    assert found is not None
    assert [(choice.carrier, choice.decision, choice.is_same) for choice in found.choices] == [
        ("simulated", None, None)
    ]
    assert world.rows("SELECT count(routing_snapshot_id) FROM batches") == [0]


def test_an_unknown_message_has_no_explanation(world: World) -> None:
    assert explain(world.rt, world.rt.new_ids()) is None


def test_a_message_is_found_by_the_beginning_of_its_id(world: World) -> None:
    first, second = world.send("+2348012345678", "+2348012345679").messages

    assert find(world.rt, str(first)) == [first]
    assert find(world.rt, str(first).upper()[:14]) == [first, second]
    assert find(world.rt, "ffffffff") == []
    for word in ("fff", "nothing", f"{first}0"):
        with pytest.raises(ConfigurationError, match="is no message id"):
            find(world.rt, word)


def test_a_preview_shows_the_carrier_of_a_message_and_sends_nothing(world: World) -> None:
    set_carrier(world.rt, "beta", "simulated", {}, {"ucs2": False})
    set_route(world.rt, "NG", "beta")

    plain = foresee(world.rt, "acme", "+234 801 234 5678", "ACME", "Hello")
    other = foresee(world.rt, "acme", "+2348012345678", "ACME", "Привет")

    assert (plain.decision.carrier, other.decision.carrier) == ("beta", "alpha")
    assert reasons(other.decision)["beta"] is RouteLoss.NO_UCS2
    assert world.rows("SELECT count(*) FROM messages") == [0]
    with pytest.raises(ConfigurationError, match="not a phone number"):
        foresee(world.rt, "acme", "12", "ACME", "")
    with pytest.raises(PostroadError, match="no account 'nobody'"):
        foresee(world.rt, "nobody", "+2348012345678", "ACME", "")


def test_one_routing_snapshot_is_stored_for_many_messages(world: World) -> None:
    for _ in range(3):
        world.send("+2348012345678", "+447400123456")
    other = Runtime(world.rt.settings)
    with other.read_only() as conn:
        choice = routing_snapshot.choices(conn, other.snapshots, [world.account])[world.account]
        again = routing_snapshot.keep(conn, other.snapshots, choice)
    other.close()

    assert world.rows(SNAPSHOTS) == [1]
    assert world.rows("SELECT DISTINCT routing_snapshot_id FROM batches") == [again]


def test_accounts_without_routes_of_their_own_share_a_routing_snapshot(world: World) -> None:
    with world.rt.begin() as conn:
        others = [accounts.create(conn, f"other{number}", "NGN") or 0 for number in range(3)]
    set_route(world.rt, "*", "alpha", account="other0")
    set_route(world.rt, "*", "alpha", rank=2, account="other1")

    with world.rt.read_only() as conn:
        found = routing_snapshot.choices(conn, world.rt.snapshots, [world.account, *others])

    digests = [found[account].kept.digest for account in (world.account, *others)]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_a_routing_snapshot_that_was_rolled_back_is_stored_the_next_time(world: World) -> None:
    rt = world.rt
    for _ in range(2):
        with pytest.raises(KeyError), rt.begin() as conn:  # noqa: PT012
            choice = routing_snapshot.choices(conn, rt.snapshots, [world.account])[world.account]
            lost = [routing_snapshot.keep(conn, rt.snapshots, choice) for _ in range(2)]
            raise KeyError(lost)

    with rt.begin() as conn:
        choice = routing_snapshot.choices(conn, rt.snapshots, [world.account])[world.account]
        kept = routing_snapshot.keep(conn, rt.snapshots, choice)

    with rt.begin() as conn:
        assert routing_snapshot.read(conn, [kept]).keys() == {kept}


def test_an_open_breaker_is_part_of_the_snapshot_only_if_its_carrier_has_routes(world: World) -> None:
    world.add_carrier("beta", rank=2)

    with world.rt.read_only() as conn:
        table = {
            words: routing_snapshot.choices(conn, world.rt.snapshots, [world.account], words)[world.account]
            for words in ((), ("alpha/NG",), ("stranger", "stranger/NG"))
        }

    assert table["alpha/NG",].table.snapshot.unhealthy == {"alpha/NG"}
    assert table["stranger", "stranger/NG"] is table[()]


def test_a_thousand_past_routing_decisions_are_reproduced(world: World) -> None:
    lot = random.Random(7)
    _many_carriers(world)
    world.rt.snapshots.FRESH = 0.0
    sent: list[UUID] = []
    for _ in range(30):
        _change_something(world, lot)
        numbers = [_number(lot) for _ in range(44)]
        answer = world.send(*numbers, body=lot.choice(["Hello", "Привет"]), sender=lot.choice(["ACME", "12345"]))
        sent += [id_ for id_ in answer.messages if id_]
        world.make_due()
        promote(world.rt)
        while queued := world.rows("SELECT id FROM batches WHERE status = 'queued'"):
            for batch in queued:  # each of one carrier
                deliver(world.rt, [batch])

    carried, again = Counter[bool](), 0
    for id_ in sent:
        found = explain(world.rt, id_)
        assert found is not None
        for choice in found.choices:
            assert choice.decision is not None
            if not choice.decision.chain:  # nobody was left: it waits for whom it had
                assert choice.round > 0
                continue
            assert choice.is_same, (id_, choice)
            carried.update(bool(choice.tried) for _ in choice.attempts)
            again += choice.round > 0 and bool(choice.attempts)

    assert len(sent) >= 1000
    assert carried.total() >= 1000
    assert carried[True] > 20
    assert again > 10
    assert world.rows(SNAPSHOTS)[0] > 15


def _many_carriers(world: World) -> None:
    with world.rt.begin() as conn:
        accounts.set_sender(conn, world.account, "12345")
    set_networks(world.rt, {"234801": "621-20", "234803": "621-30"})
    for name, script, capabilities in (
        ("alpha", {"refuse_transient:21": 0.3}, {}),
        ("beta", {"refuse_transient:21": 0.5}, {"ucs2": False}),
        ("gamma", {"refuse_transient:21": 0.2}, {"alphanumeric": False}),
        ("delta", {}, {"dlt": False}),
    ):
        set_carrier(world.rt, name, "simulated", {"script": script}, capabilities)
    for name in ("beta", "gamma"):
        set_route(world.rt, "*", name)


def _change_something(world: World, lot: random.Random) -> None:
    destination, carrier = lot.choice(["*", "NG", "IN", "234801", "621-30"]), lot.choice(["beta", "gamma", "delta"])
    account = lot.choice([None, "acme"])
    change = lot.choice(["route", "route", "route", "drain", "resume", "networks"])
    if change == "route":
        weight, cost = lot.choice([0, 1, 50, 100]), lot.choice([None, 7, 9])
        set_route(
            world.rt,
            destination,
            carrier,
            rank=lot.choice([1, 1, 2]),
            weight=weight,
            cost=cost,
            currency="EUR" if cost else None,
            until_at=lot.choice([None, world.rt.now() + timedelta(seconds=2)]),
            account=account,
        )
    elif change == "networks":
        set_networks(world.rt, {"234801": lot.choice(["621-20", "621-30"]), "23480": "621-30"})
    else:
        state = CarrierState.DRAINED if change == "drain" else CarrierState.ACTIVE
        set_carrier_state(world.rt, carrier, state)


def _number(lot: random.Random) -> str:
    return f"{lot.choice(['+2348010', '+2348030', '+919812'])}{lot.randrange(10**6):06}"
