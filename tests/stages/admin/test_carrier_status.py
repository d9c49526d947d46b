"""The status of carriers: queued messages, outcomes, receipts and open circuit breakers."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import InvalidInput, NotFound
from pipeline.rules.identity import ids
from pipeline.stages.admin.carrier_status import CarrierStatus, Waiting, carrier_statuses
from pipeline.stages.admin.carriers import adjust_carrier, list_carriers, set_carrier, set_carrier_state
from pipeline.store import circuit_breakers
from schema.vocabulary import BatchStatus, CarrierState, Outcome, ReceiptVerdict
from tests.world import World

QUARTER = timedelta(minutes=15)


def of(world: World, name: str, over: timedelta = QUARTER) -> CarrierStatus:
    [found] = carrier_statuses(world.rt, over, name)
    return found


def test_an_unused_carrier_is_active_without_open_breakers_or_outcomes(world: World) -> None:
    found = of(world, "alpha")

    assert (found.state, found.reason, found.illnesses, found.segments_per_second) == ("active", None, [], None)
    assert (found.waiting, found.outcomes, found.receipts, found.last_receipt) == ({}, {}, {}, None)


def test_recent_attempts_and_receipts_are_counted_per_carrier(world: World) -> None:
    world.add_carrier("alpha", {"hang_up": 1}, route="NG")
    world.add_carrier("beta", {"refuse": 1}, route="DE")
    world.send("+2348012345678", "+2348012345679")
    world.send("+491701234567")
    world.run(
        "INSERT INTO receipts (id, carrier, key, verdict, raw)"
        " VALUES (%(id)s, 'beta', 'k', 'delivered', ''), (gen_random_uuid(), 'old', 'k', 'delivered', '')",
        id=world.rt.new_ids(),
    )

    alpha, beta = of(world, "alpha"), of(world, "beta")

    assert alpha.outcomes == {Outcome.UNKNOWN: 2}
    assert beta.outcomes == {Outcome.REFUSED_PERMANENT: 1}
    assert beta.receipts == {ReceiptVerdict.DELIVERED: 1}
    assert beta.last_receipt is not None
    assert of(world, "alpha", timedelta(0)).outcomes == {}


@pytest.mark.unsound("its attempts are moved to another message")
def test_recent_attempts_of_messages_accepted_days_ago_are_counted(world: World) -> None:
    world.send("+2348012345678", "+2348012345679", "+2348012345670")
    old = ids.new_ids(datetime.now(UTC) - timedelta(days=3), 0)
    for place, now in enumerate(world.rows("SELECT id FROM messages ORDER BY id")):
        world.run(
            "UPDATE provider_attempts SET message_id = %(old)s, outcome = %(outcome)s,"
            " recorded_at = recorded_at - %(hours)s * interval '1 hour' WHERE message_id = %(now)s",
            old=ids.after(old, place),
            now=now,
            outcome="accepted" if place else "unknown",
            hours=place,
        )

    assert of(world, "alpha").outcomes == {Outcome.UNKNOWN: 1}
    assert of(world, "alpha", timedelta(hours=1.5)).outcomes == {Outcome.UNKNOWN: 1, Outcome.ACCEPTED: 1}
    assert of(world, "alpha", timedelta(hours=4)).outcomes == {Outcome.UNKNOWN: 1, Outcome.ACCEPTED: 2}


def test_messages_that_wait_for_a_carrier_are_counted_by_batch_status(world: World) -> None:
    world.pay(world.submit(world.order("+2348012345678", "+2348012345679"), world.order()))

    assert of(world, "alpha").waiting == {BatchStatus.QUEUED: Waiting(batches=1, messages=3)}


def test_open_breakers_of_a_carrier_and_of_its_countries_are_shown(world: World) -> None:
    circuit_breakers.report(world.rt.valkey, {"alpha": (0, 50), "alpha/NG": (0, 50), "alphabet": (0, 50)})

    found = of(world, "alpha")

    assert [each.word for each in found.illnesses or []] == ["alpha", "alpha/NG"]


def test_resuming_a_carrier_closes_its_breakers(world: World) -> None:
    set_carrier_state(world.rt, "alpha", CarrierState.DRAINED, "it smells")
    circuit_breakers.report(world.rt.valkey, {"alpha": (0, 50), "alpha/NG": (0, 50)})
    drained = of(world, "alpha")

    set_carrier_state(world.rt, "alpha", CarrierState.ACTIVE)

    found = of(world, "alpha")
    assert (drained.state, drained.reason) == ("drained", "it smells")
    assert (found.state, found.reason, found.illnesses) == ("active", None, [])


def test_a_pace_stays_set_until_it_is_set_to_zero(world: World) -> None:
    rates = []
    for step in (
        lambda: set_carrier(world.rt, "beta", "simulated", {}, None, 12.5),
        lambda: set_carrier(world.rt, "beta", "simulated", {"script": {"seed": 1}}),
        lambda: adjust_carrier(world.rt, "beta", {"ucs2": False}, None),
        lambda: adjust_carrier(world.rt, "beta", None, 100),
        lambda: adjust_carrier(world.rt, "beta", None, 0),
    ):
        step()
        rates.append(of(world, "beta").segments_per_second)

    assert rates == [12.5, 12.5, 12.5, 100, None]
    [row] = [row for row in list_carriers(world.rt) if row.name == "beta"]
    assert (row.settings, row.capabilities) == ({"script": {"seed": 1}}, {"ucs2": False})


@pytest.mark.parametrize("pace", [-1, 0.01, 1e9, float("nan")])
def test_a_pace_out_of_bounds_is_refused(world: World, pace: float) -> None:
    with pytest.raises(InvalidInput, match=r"a pace is 0\.1 to 1e"):
        adjust_carrier(world.rt, "alpha", None, pace)


def test_an_unknown_carrier_is_refused_by_name(world: World) -> None:
    with pytest.raises(NotFound, match="there is no carrier 'nobody'"):
        carrier_statuses(world.rt, QUARTER, "nobody")
    with pytest.raises(NotFound, match="there is no carrier 'nobody'"):
        adjust_carrier(world.rt, "nobody", None, 1)
