"""What one carrier did lately: outcomes by its codes, and the delays of its receipts."""

from datetime import timedelta

import pytest

from pipeline.stages.admin.carrier_outcomes import outcomes_of
from tests.world import World, message_ids

QUARTER = timedelta(minutes=15)


def test_attempts_of_a_carrier_are_counted_by_outcome_and_code_the_most_frequent_first(world: World) -> None:
    world.add_carrier("beta", {"refuse": 1}, route="DE")
    world.send("+2348012345678", "+2348012345679")
    [message] = message_ids(world.send("+491701234567"))
    world.run("UPDATE provider_attempts SET code = '0x0B' WHERE message_id = %(id)s", id=message)

    alpha, beta = (outcomes_of(world.rt, name, QUARTER) for name in ("alpha", "beta"))

    assert [(each.outcome, each.code, each.attempts) for each in alpha.codes] == [("accepted", None, 2)]
    assert [(each.outcome, each.code, each.attempts) for each in beta.codes] == [("refused_permanent", "0x0B", 1)]
    assert (alpha.delays, outcomes_of(world.rt, "beta", timedelta(0)).codes) == (None, [])


@pytest.mark.unsound("its receipts are written as applied, with no outcome")
def test_the_delays_of_receipts_are_measured_from_the_attempts_they_belong_to(world: World) -> None:
    world.send("+2348012345678", "+2348012345679", "+2348012345670")
    for place, (ref, marked_at) in enumerate(
        world.rows("SELECT carrier_ref, marked_at FROM provider_attempts ORDER BY message_id"), start=1
    ):
        world.run(
            "INSERT INTO receipts (id, carrier, key, carrier_ref, verdict, state, received_at, raw)"
            " VALUES (%(id)s, 'alpha', %(ref)s, %(ref)s, 'delivered', 'applied', %(at)s, '')",
            id=world.rt.new_ids(),
            ref=ref,
            at=marked_at + timedelta(seconds=10 * place),
        )

    delays = outcomes_of(world.rt, "alpha", QUARTER).delays

    assert delays is not None
    assert (delays.receipts, round(delays.median)) == (3, 20)
    assert 20 < delays.p95 < delays.p99 <= 30
