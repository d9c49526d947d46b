"""Rows of a running campaign become messages: each once, in portions, as fast as it may, and none fails for money."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipeline.dialects.registry import capacities
from pipeline.stages.admin.audit import audit
from pipeline.stages.admit import admit
from pipeline.stages.campaigns import expand
from pipeline.stages.campaigns.expand import ExpansionPortion, next_portion, write
from pipeline.store import campaign_expansion, wallet_ledger
from pipeline.store.consent import opt_outs
from pipeline.store.consent.opt_outs import OptOut
from schema.message import Admission
from schema.vocabulary import CampaignState
from tests.stages.launched import Died, Launched, dying_before_commit, numbers
from tests.transitions.statement_log import statements
from tests.world import World
from workers.campaign_wiring import expand_campaign


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def configure(world: World, **settings: Any) -> None:
    world.rt.settings = world.rt.settings.model_copy(update=settings)


def read(campaign: Launched) -> tuple[ExpansionPortion, Admission]:
    portion = next_portion(campaign.rt, campaign.id)
    assert portion
    assert portion.order
    [admission] = admit(campaign.rt, [(portion.request, portion.order)])
    return portion, admission


def test_rows_become_messages_of_batches_that_know_the_campaign(world: World) -> None:
    merges = [{"name": "Ada"}, {"name": "Ben"}, {"name": "Çağla"}]
    campaign = Launched(world, numbers(3), merges=merges, body="Hello ${name}", merge={"name": "you"})

    hints = campaign.expand()
    campaign.deliver(hints)

    bodies = dict(world.rows("SELECT id, body FROM messages"))
    assert [bodies[id_] for _, id_ in sorted(campaign.messages().items())] == ["Hello Ada", "Hello Ben", "Hello Çağla"]
    assert world.rows("SELECT DISTINCT campaign_id, status FROM batches") == [(campaign.id, "done")]
    assert world.rows("SELECT dialect, operation, accepted FROM requests") == [(None, "campaign", 3)]
    assert world.rows("SELECT status FROM messages") == ["sent"] * 3
    query = "SELECT sent, segments, amount FROM campaign_progress"
    assert world.rows(query) == [(3, 3, 3 * 400)]
    assert world.balance() == 1_000_000 - 3 * 400


def test_marking_rows_reads_no_others_before_the_table_is_analyzed(world: World) -> None:
    campaigns = [Launched(world, numbers(3000), name=name) for name in ("spring", "autumn")]
    params = {"campaign": campaigns[0].id, "request": campaigns[0].id, "lines": list(range(2, 52))}
    params |= {"places": list(range(50)), "first": 2, "last": 51}

    with world.rt.engine.connect() as conn:
        query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {campaign_expansion._MARK_SENT}"
        [found] = conn.exec_driver_sql(query, params).scalar_one()
        conn.rollback()

    tables = [node for node in nodes(found["Plan"]) if node.get("Relation Name", "").startswith("campaign_rows_")]
    reads = [node for node in tables if node["Node Type"] != "ModifyTable"]
    assert reads
    read_rows = [(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in reads]
    assert sum(read_rows) <= 100


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def test_a_portion_costs_the_same_number_of_statements_whatever_it_holds(world: World) -> None:
    counts = []
    for size in (1, 300):
        campaign = Launched(world, numbers(size))
        campaign.expand()  # the routing snapshot is known from now on
        campaign = Launched(world, numbers(size))
        campaign.progress("paced_sent", 32_700)  # small integers are sent as int2
        campaign.progress("paced_segments", 32_700)
        with statements(world.rt.engine) as run:
            assert len(campaign.expand(portions=1)) == 1
        counts.append(len(run))

    # the first one also stores the routing snapshot
    assert counts[1] <= counts[0] < 25


def test_of_two_processes_with_the_same_portion_one_writes_it(world: World) -> None:
    campaign = Launched(world, numbers(5))
    first, second = read(campaign), read(campaign)

    written = [write(world.rt, *each, capacities=capacities()).is_written for each in (first, second)]

    assert written == [True, False]
    assert campaign.counts == (5, 0, 0)
    assert world.rows("SELECT count(*) FROM messages") == [5]


def test_a_portion_that_is_not_committed_leaves_nothing_and_is_read_again(world: World) -> None:
    campaign = Launched(world, numbers(5))
    read(campaign)

    with dying_before_commit(world.rt), pytest.raises(Died):
        write(world.rt, *read(campaign), capacities=capacities())
    assert world.rows("SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM messages)") == [(0, 0)]

    campaign.run()
    assert campaign.counts == (5, 0, 0)


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.APPROVED, CampaignState.ABORTED])
def test_nothing_is_expanded_unless_the_campaign_runs(world: World, state: CampaignState) -> None:
    campaign = Launched(world, numbers(2))
    portion = read(campaign)
    if state is not CampaignState.APPROVED:
        campaign.progress("left_out", 2)
        campaign.set(state=str(state))
        campaign.progress("left_out", 0)
        assert not write(world.rt, *portion, capacities=capacities()).is_written
    else:
        campaign = Launched(world, numbers(2), state)

    assert next_portion(world.rt, campaign.id) is None
    assert world.rows("SELECT count(*) FROM requests") == [0]


def test_refused_recipients_are_skipped_and_the_others_sent(world: World) -> None:
    world.run("DELETE FROM routes")
    world.add_carrier("alpha", route="234")
    world.run("DELETE FROM prices")
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "2348", "NGN", 400, world.rt.now())
        opt_outs.add(conn, [(OptOut(world.account, numbers(2)[1]), "STOP")])
    campaign = Launched(world, [*numbers(2), "+447911123456", "+2349012345678", *numbers(1, "+23481")])

    campaign.run()

    assert campaign.rows("verdict") == [None, "opted_out", "no_route", "no_price", None]
    assert campaign.counts == (2, 3, 0)
    assert world.rows("SELECT status FROM messages") == ["sent", "sent"]


def test_long_stretches_of_skipped_rows_are_passed(world: World) -> None:
    campaign = Launched(world, numbers(30))
    world.run("UPDATE campaign_rows SET verdict = 'duplicate' WHERE line <> 31")
    world.run("UPDATE campaign_rows SET line = line + 90000 WHERE line = 31")
    campaign.progress("skipped", 29)

    campaign.run()

    assert campaign.counts == (1, 29, 0)


def test_the_highest_line_there_may_be_is_sent(world: World) -> None:
    campaign = Launched(world, numbers(2))
    world.run("UPDATE campaign_rows SET line = 2147483644 + line")
    campaign.progress("expanded_line", 2147483600)

    campaign.run()

    assert campaign.counts == (2, 0, 0)


def test_an_empty_wallet_pauses_the_campaign_and_no_row_fails(world: World) -> None:
    campaign = Launched(world, numbers(5))
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "NG", "NGN", 200_001, world.rt.now())

    campaign.run()

    assert (campaign.state, campaign.reason, campaign.counts) == ("paused", "insufficient_funds", (0, 0, 0))
    assert world.rows("SELECT cause FROM campaign_events") == ["insufficient_funds"]
    assert world.rows("SELECT count(*) FROM requests") == [0]


def test_the_approved_cost_is_not_exceeded(world: World) -> None:
    configure(world, campaign_ahead=2)
    campaign = Launched(world, numbers(5), max_cost=5 * 400 - 1)

    campaign.run()

    assert (campaign.state, campaign.reason, campaign.counts) == ("paused", "quote_exceeded", (4, 0, 0))
    assert world.rows("SELECT cause FROM campaign_events") == ["quote_exceeded"]


def test_an_order_that_is_refused_as_a_whole_pauses_the_campaign(world: World) -> None:
    campaign = Launched(world, numbers(5))
    world.run("UPDATE accounts SET state = 'suspended'")

    campaign.run()

    assert (campaign.state, campaign.reason, campaign.counts) == ("paused", "account_suspended", (0, 0, 0))
    assert world.rows("SELECT cause FROM campaign_events") == ["refused"]


def test_no_more_rows_become_messages_than_may_be_on_their_way(world: World) -> None:
    configure(world, campaign_ahead=3)
    campaign = Launched(world, numbers(8))

    hints = campaign.expand()
    assert campaign.counts == (3, 0, 0)

    campaign.deliver(hints)
    campaign.expand()
    assert campaign.counts == (6, 0, 0)
    world.run("UPDATE batches SET held = 'campaign' WHERE status = 'queued'")
    campaign.expand()
    assert campaign.counts == (8, 0, 0)
    world.run("UPDATE batches SET held = NULL")


def test_a_speed_limit_spreads_rows_over_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = Launched(world, numbers(20), per_hour=3600)
    began = world.rt.now()
    campaign.progress("paced_from", began)

    sent = []
    for seconds in (0, 1, 3, 3.5, 500):
        at = began + timedelta(seconds=seconds)
        monkeypatch.setattr(world.rt, "common_time", lambda _, at=at: at)
        campaign.expand()
        sent.append(campaign.counts[0])

    # what was not used in time is no burst later
    assert sent == [0, 1, 3, 3, 13]
    [since] = world.rows("SELECT paced_from FROM campaign_progress")
    assert since == began + timedelta(seconds=490)


def test_a_task_goes_on_in_another_task_while_there_are_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "PORTION", 10)
    campaign = Launched(world, numbers(101))

    calls = list(expand_campaign(world.rt, campaign.id))

    assert {call.task for call in calls[:-1]} == {"sms.deliver"}
    assert (calls[-1].task, calls[-1].args) == ("sms.campaign.expand", (str(campaign.id),))
    assert campaign.counts == (100, 0, 0)
    assert [call.task for call in expand_campaign(world.rt, campaign.id)] == ["sms.deliver"]
