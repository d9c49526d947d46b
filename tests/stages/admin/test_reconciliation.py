"""Reconciliation: the carriers' records are compared with our attempts."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pipeline.stages.admin.reconciliation import CarrierRecord, RecordDifference, reconcile
from tests.world import World, message_ids

LONG_AGO = datetime.now(UTC) - timedelta(days=1)


def statement(world: World) -> list[CarrierRecord]:
    """Return what the carriers would say: just what we recorded as accepted."""
    rows = world.rows("SELECT message_id, carrier, carrier_ref FROM provider_attempts WHERE outcome = 'accepted'")
    return [CarrierRecord(*row) for row in rows]


def compare(world: World, taken: list[CarrierRecord]) -> RecordDifference:
    return reconcile(world.rt, taken, ["alpha"], LONG_AGO)


def test_equal_records_have_no_differences(world: World) -> None:
    world.send("+2348012345678", "+2348012345679")

    found = compare(world, statement(world))

    assert found == RecordDifference(taken=2, unrecorded=0, unreported=0, duplicates=0, unflagged=0)
    assert found.sound


def test_a_message_in_the_carriers_record_without_an_attempt_is_found(world: World) -> None:
    world.send("+2348012345678")

    found = compare(world, [*statement(world), CarrierRecord(uuid4(), "alpha", "x1")])

    assert (found.unrecorded, found.sound) == (1, False)


def test_an_attempt_missing_from_the_carriers_record_is_found(world: World) -> None:
    world.send("+2348012345678", "+2348012345679")

    found = compare(world, statement(world)[:1])

    assert (found.unreported, found.sound) == (1, False)


def test_a_message_that_two_carriers_accepted_without_an_unknown_outcome_is_found(world: World) -> None:
    world.send("+2348012345678")
    [taken] = statement(world)

    found = compare(world, [taken, CarrierRecord(taken.ref, "beta", "b1")])

    assert (found.duplicates, found.unflagged, found.sound) == (1, 1, False)


@pytest.mark.unsound("its batch is said to be sent once more")
def test_a_resent_message_may_be_accepted_twice(world: World) -> None:
    world.send("+2348012345678")
    [taken] = statement(world)
    world.run("UPDATE batches SET resend_reason = 'undelivered'")

    found = compare(world, [taken, CarrierRecord(taken.ref, "beta", "b1")])

    assert (found.duplicates, found.unflagged) == (1, 0)


def test_a_message_with_an_unknown_outcome_may_be_in_the_carriers_record(world: World) -> None:
    world.add_carrier("alpha", {"silent": 1})
    answer = world.send("+2348012345678")

    found = compare(world, [CarrierRecord(message_ids(answer)[0], "alpha", "x1")])

    assert found.sound


def test_carriers_without_a_record_are_not_compared(world: World) -> None:
    world.send("+2348012345678")

    assert reconcile(world.rt, [], [], LONG_AGO).sound
