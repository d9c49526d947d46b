"""Where a recipient is: by the number, unless the order says; and whether the sender may be seen there."""

from typing import Any

import pytest

from pipeline.stages.admit import admit
from schema.vocabulary import Code


def test_an_order_may_say_where_a_recipient_is(world: Any) -> None:
    order = world.order(recipients=[{"to": "+2348012345678"}, {"to": "+2348012345678", "country": "GH"}])

    [admission] = admit(world.rt, [(world.rt.mint(), order)])

    assert [draft.country for draft in admission.drafts] == ["NG", "GH"]


def test_the_route_is_that_of_the_country_it_says(world: Any) -> None:
    world.add_carrier("ghana", route="GH")
    order = world.order(recipients=[{"to": "+2348012345678"}, {"to": "+2348012345678", "country": "GH"}])

    [admission] = admit(world.rt, [(world.rt.mint(), order)])

    assert [draft.carrier for draft in admission.drafts] == ["alpha", "ghana"]


@pytest.mark.parametrize("test", [False, True])
def test_a_sender_is_refused_where_it_was_not_approved(world: Any, test: bool) -> None:
    world.run("UPDATE sender_ids SET countries = '{NG}'")
    order = world.order("+2348012345678", "+233201234567", test=test)

    [admission] = admit(world.rt, [(world.rt.mint(), order)])

    assert [draft.phone for draft in admission.drafts] == ["+2348012345678"]
    assert [(each.code, each.field) for each in admission.refusals] == [(Code.SENDER_INVALID, "recipients[1].sender")]
