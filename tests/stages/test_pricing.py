"""An order costs the same whichever way it is billed: by a dry run, accepted at once, or stage by stage."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.dialects.registry import capacities
from pipeline.errors import InsufficientFunds
from pipeline.rules.identity import ids
from pipeline.stages.accept import accept
from pipeline.stages.admit import admit
from pipeline.stages.api.dry_run import dry_run
from pipeline.stages.ingest import ingest
from pipeline.store import wallet_ledger
from schema.message import AcceptedMessage, Admission, Answered
from tests.world import World

#: two countries with prices of their own, and one without a price
NUMBERS = ("+2348012345678", "+2347012345678", "+447911123456", "+33612345678")
#: in one part and more, in both encodings; 130 letters are two parts, and three by the count of one API
BODIES = ("Hello", "x" * 161, "я" * 71, "я" * 130, "я" * 400)

#: encoding, segments, money, quota, refusal
Cost = tuple[str, int, int, int, str | None]


def costs(answer: Answered) -> list[Cost]:
    return [_cost(each) for each in answer.messages if each]


def _cost(each: AcceptedMessage) -> Cost:
    return str(each.encoding), each.segments, each.amount, each.quota, each.refusal and str(each.refusal)


Costs = TypeVar("Costs", list[Cost], list[Cost] | None)


def by_dry_run(world: World, admission: Admission) -> list[Cost]:
    return costs(dry_run(world.rt, admission, capacities()))


def by_accept(world: World, admission: Admission) -> list[Cost] | None:
    """Return what was charged; None: the money did not suffice for all, which the stages are then asked."""
    try:
        [answer] = accept(world.rt, [admission], capacities=capacities()).answers
    except InsufficientFunds:
        return None
    assert isinstance(answer, Answered)
    return costs(answer)


def by_stages(world: World, admission: Admission) -> list[Cost]:
    world.pay(ingest(world.rt, [admission]))
    charged: list[Cost] = world.rows(
        "SELECT encoding, segments, amount, quota, error_code FROM messages WHERE request_id = %(id)s ORDER BY id",
        id=admission.request,
    )
    return charged


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=6),
    body=st.sampled_from(BODIES),
    door=st.sampled_from([None, "webex.sms", "robase.send"]),
    test=st.booleans(),
    quota=st.integers(0, 8),
    money=st.integers(0, 4000),
)
def test_an_order_costs_the_same_by_dry_run_by_accept_and_by_separate_stages(
    world: World, numbers: list[str], body: str, door: str | None, test: bool, quota: int, money: int
) -> None:
    order = world.order(*numbers, body=body, door=door, test=test, **{"class": "bulk"})
    requests = [(world.rt.new_ids(), order) for _ in range(3)]
    tried, accepted, staged = (admit(world.rt, [each], by_api=door is not None)[0] for each in requests)
    world.run("UPDATE prices SET destination = 'NG' WHERE destination = '*'")
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "GB", "NGN", 700, world.rt.now())

    def funded(way: Callable[[World, Admission], Costs], admission: Admission) -> Costs:
        world.run("DELETE FROM quotas")
        world.run("UPDATE wallets SET balance = %(money)s", money=money)
        with world.rt.begin() as conn:
            if quota:
                wallet_ledger.grant(conn, world.account, ids.month(admission.first), quota, "test", world.rt.now())
        return way(world, admission)

    by_stage = funded(by_stages, staged)
    assert funded(by_dry_run, tried) == by_stage
    at_once = funded(by_accept, accepted)
    assert at_once == by_stage or (at_once is None and "insufficient_funds" in [cost[4] for cost in by_stage])
