"""The results of a campaign: what became of each row, in order, while it runs and afterwards."""

from datetime import timedelta

import pytest

from pipeline.errors import NotFound
from pipeline.stages.campaigns import control, results
from pipeline.stages.campaigns.results import result_page, result_rows, standing
from pipeline.store.consent import opt_outs
from pipeline.store.consent.opt_outs import OptOut
from schema.vocabulary import RowOutcome
from tests.stages.launched import Launched, numbers
from tests.world import World


def test_each_row_is_listed_with_its_outcome_and_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "PAGE", 2)
    world.rt.settings = world.rt.settings.model_copy(update={"campaign_ahead": 4})
    world.add_carrier("broken", {"refuse:21": 1}, route="33")
    phones = [*numbers(2), "+33612345678", *numbers(3, "+4479")]
    with world.rt.begin() as conn:
        opt_outs.add(conn, [(OptOut(world.account, phones[1]), "STOP")])
    campaign = Launched(world, phones)
    world.run("UPDATE campaign_rows SET correlation_id = 'c' || line")
    campaign.deliver(campaign.expand(portions=1))

    found = [row for page in result_rows(world.rt, campaign.id) for row in page]

    assert [row.line for row in found] == [2, 3, 4, 5, 6, 7]
    assert [(row.number, row.correlation_id) for row in found] == [(p, f"c{n}") for n, p in enumerate(phones, 2)]
    assert [row.outcome for row in found] == ["sent", "skipped", "sent", "sent", "pending", "pending"]
    assert [(row.verdict, row.fault) for row in found if row.verdict] == [("opted_out", "the recipient opted out")]
    sent = [row for row in found if row.message]
    assert [(row.status, row.error_code, row.carrier, row.segments, row.cost) for row in sent] == [
        ("sent", None, "alpha", 1, 400),
        ("failed", "carrier_refused", "broken", 1, 400),
        ("sent", None, "alpha", 1, 400),
    ]
    assert [(row.sent_at is None, row.final_at is None) for row in sent] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    assert {row.line: row.message for row in sent} == campaign.messages()

    control.abort(world.rt, campaign.id)
    assert [row.outcome for row in result_page(world.rt, campaign.id, 5, 10)] == ["fenced", "fenced"]
    with pytest.raises(NotFound):
        list(result_rows(world.rt, world.rt.new_ids()))


def test_the_standing_of_a_campaign_says_what_waits_where(world: World) -> None:
    campaign = Launched(world, numbers(5), valid_until=world.rt.now() + timedelta(hours=1))
    world.rt.settings = world.rt.settings.model_copy(update={"campaign_ahead": 2})
    campaign.deliver(campaign.expand())
    campaign.expand()

    found = standing(world.rt, campaign.id)

    assert found.outcomes == {RowOutcome.SENT: 4, RowOutcome.SKIPPED: 0, RowOutcome.PENDING: 1}
    assert (found.waiting, found.handed_over, found.has_ended) == ({"queued": 2}, 2, False)
    with pytest.raises(NotFound):
        standing(world.rt, world.rt.new_ids())
