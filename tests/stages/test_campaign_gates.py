"""Canary and gates: recipients across countries go first, and a campaign with too many failures is paused."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.stages.admin.audit import audit
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.gates import keep_gates
from pipeline.store.consent import opt_outs
from pipeline.store.consent.opt_outs import OptOut
from schema.vocabulary import CampaignState
from tests.stages.launched import Launched, numbers
from tests.world import World

BAD = "+336"


@pytest.fixture(autouse=True)
def _sound(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if not request.node.get_closest_marker("unsound"):
        assert [finding for finding in audit(world.rt) if finding.broken] == []


def mixed(world: World, good: int = 300, bad: int = 20, **columns: Any) -> Launched:
    """Return an approved campaign whose last rows go to a country where all messages fail."""
    world.add_carrier("broken", {"refuse:21": 1}, route="33")
    given: dict[str, Any] = {"canary": 40, "canary_soak": 0, "gates": {"failed": 0.1, "min_sample": 30}} | columns
    phones = [*numbers(good // 2), *numbers(good // 2, "+4479"), *numbers(bad, BAD)]
    return Launched(world, phones, CampaignState.APPROVED, **given)


def proceed(campaign: Launched) -> bool:
    """Expand, deliver and look at the gates until nothing more is done; return whether it still runs."""
    while keep_gates(campaign.rt, campaign.id) and (hints := campaign.expand()):
        campaign.deliver(hints)
    return campaign.state == "running"


def test_a_canary_halts_the_campaign_though_its_one_bad_country_stands_last(world: World) -> None:
    campaign = mixed(world)
    control.start(world.rt, campaign.id)
    drawn = Counter(phone[:3] for phone, is_drawn in campaign.rows("phone, canary") if is_drawn)
    bad = drawn[BAD[:3]]

    assert not proceed(campaign)

    assert sorted(drawn.values()) == [13, 13, 14]
    assert campaign.reason == f"gate:failed {100 * bad / 40:.3g} % of 40"
    assert campaign.counts == (40, 0, 0)
    assert campaign.world.rows("SELECT state, cause FROM campaign_events") == [("running", None), ("paused", "gate")]


def test_a_resumed_campaign_is_not_paused_again_for_what_its_gates_saw(world: World) -> None:
    campaign = mixed(world, bad=12)
    control.start(world.rt, campaign.id)
    assert not proceed(campaign)

    control.resume(world.rt, campaign.id)

    assert proceed(campaign)
    assert campaign.counts == (312, 0, 0)


def test_a_share_of_too_small_a_sample_halts_nothing(world: World) -> None:
    world.add_carrier("broken", {"refuse:21": 1}, route="33")
    campaign = Launched(world, numbers(3, BAD), gates={"failed": 0.1, "min_sample": 50})

    assert proceed(campaign)

    assert world.rows("SELECT status FROM messages") == ["failed"] * 3


def test_the_rest_waits_until_the_canary_is_handed_over_and_the_soak_time_has_passed(world: World) -> None:
    campaign = mixed(world, bad=0, canary_soak=3600)
    control.start(world.rt, campaign.id)

    hints = campaign.expand()
    assert campaign.counts == (40, 0, 0)
    world.run("UPDATE campaigns SET canary_soak = 0")
    assert campaign.expand() == []
    campaign.deliver(hints)
    world.run("UPDATE campaigns SET canary_soak = 3600")
    assert campaign.expand() == []
    world.run("UPDATE messages SET sent_at = sent_at - interval '1 hour'")

    campaign.run()
    assert campaign.counts == (300, 0, 0)


def test_a_canary_of_refused_recipients_does_not_stop_the_rest(world: World) -> None:
    campaign = mixed(world, good=4, bad=0, canary=2)
    control.start(world.rt, campaign.id)
    with world.rt.begin() as conn:
        said = [OptOut(world.account, phone) for phone, is_drawn in campaign.rows("phone, canary") if is_drawn]
        opt_outs.add(conn, [(each, "STOP") for each in said])

    campaign.run()

    assert campaign.counts == (2, 2, 0)


def test_a_canary_is_drawn_across_the_carriers_of_a_country(world: World) -> None:
    world.add_carrier("beta", route="23481")
    world.add_carrier("gamma", route="234802000002")
    phones = [*numbers(300), *numbers(3, "+23481"), "+2348020000021"]
    campaign = Launched(world, phones, CampaignState.APPROVED, canary=5)

    control.start(world.rt, campaign.id)

    drawn = [phone for phone, is_drawn in campaign.rows("phone, canary") if is_drawn]
    assert Counter(phone[:6] for phone in drawn) == {"+23480": 3, "+23481": 2}
    assert "+2348020000021" in drawn


def test_a_draw_that_is_repeated_draws_the_same_rows(world: World) -> None:
    campaign = mixed(world, canary=7)
    world.run("UPDATE campaign_rows SET canary = true WHERE line BETWEEN 100 AND 110")

    control.start(world.rt, campaign.id)
    drawn = campaign.rows("canary")
    again = mixed(world, canary=7)
    control.start(world.rt, again.id)

    assert sum(drawn) == 7
    assert again.rows("canary") == drawn


def test_gates_watch_the_latest_rows_of_a_running_campaign(world: World) -> None:
    world.rt.settings = world.rt.settings.model_copy(update={"campaign_ahead": 40})
    world.add_carrier("broken", {"refuse:21": 1}, route="33")
    phones = [*numbers(200), *numbers(200, BAD), *numbers(200, "+4479")]
    campaign = Launched(world, phones, gates={"failed": 0.1, "min_sample": 30})

    assert not proceed(campaign)

    assert campaign.counts == (240, 0, 0)
    assert campaign.reason == "gate:failed 16.7 % of 240"


@pytest.mark.unsound("receipts are written into the rows")
def test_undelivered_messages_and_opt_outs_are_gates_too(world: World) -> None:
    gates = {"undelivered": 0.2, "opted_out": 0.05, "min_sample": 10}
    campaign = Launched(world, numbers(100), gates=gates)
    assert proceed(campaign)

    with world.rt.begin() as conn:
        said = [OptOut(world.account, phone) for phone in numbers(6)]
        opt_outs.add(conn, [(each, "STOP") for each in said[:5]])
    assert keep_gates(world.rt, campaign.id)
    with world.rt.begin() as conn:
        opt_outs.add(conn, [(said[5], "STOP")])
    assert not keep_gates(world.rt, campaign.id)
    assert campaign.reason == "gate:opted_out 6 % of 100"

    control.resume(world.rt, campaign.id)
    campaign.progress("gated_from", None)
    world.run("DELETE FROM opt_outs")
    ids = sorted(campaign.messages().values())
    world.run("UPDATE messages SET status = 'delivered', final_at = now() WHERE id = ANY(%(ids)s)", ids=ids[:7])
    failed = (
        "UPDATE messages SET status = 'failed', error_code = 'undelivered', final_at = now() WHERE id = ANY(%(ids)s)"
    )
    world.run(failed, ids=ids[7:10])
    assert not keep_gates(world.rt, campaign.id)
    assert campaign.reason == "gate:undelivered 30 % of 10"
