"""Status changes are counted once, exactly, in the commit that makes them. That every end counts: tests/conftest.py."""

from collections import Counter
from typing import Any
from uuid import UUID

from pipeline.stages.campaigns.counts import campaign_counts
from pipeline.stages.fold_counts import fold_counts
from pipeline.store import status_counts
from schema.vocabulary import ReceiptVerdict
from tests.stages.launched import Launched, numbers
from tests.stages.scripted import Stage
from tests.world import World

CAMPAIGN = UUID("01900000-0000-7000-8000-000000000001")

SUMS = """
SELECT before, status, sum(messages)::int, sum(segments)::int, sum(revenue)::int FROM {table}
GROUP BY before, status ORDER BY before, status
"""


def of_campaign(world: World) -> Counter[tuple[str, str, str, str]]:
    with world.rt.begin() as conn:
        found = status_counts.of_campaign(conn, CAMPAIGN)
    return Counter({(each.country, each.carrier, each.before, str(each.status)): each.messages for each in found})


def test_each_status_change_is_counted_with_its_segments_and_what_it_earned(world: World) -> None:
    world.send("+2348012345678", "+2348012345679", body="x" * 200)

    assert world.rows(SUMS.format(table="status_changes")) == [("", "queued", 2, 4, 0), ("queued", "sent", 2, 4, 1600)]


def test_folding_keeps_the_sums_by_minute_and_by_day_and_leaves_no_changes(world: World) -> None:
    world.send("+2348012345678", "+2348012345679")
    assert fold_counts(world.rt) > 0
    assert fold_counts(world.rt) == 0

    world.send("+2348012345678")
    fold_counts(world.rt)

    assert world.rows(SUMS.format(table="status_changes")) == []
    for table in ("status_counts_by_minute", "status_counts_by_day"):
        assert world.rows(SUMS.format(table=table)) == [("", "queued", 3, 3, 0), ("queued", "sent", 3, 3, 1200)]
    [day] = world.rows("SELECT DISTINCT day FROM status_counts_by_day")
    assert (day.hour, day.minute) == (0, 0)


def test_a_campaigns_counts_are_exact_before_and_after_folding(world: World) -> None:
    world.send("+2348012345678", "+447400123456")
    world.run("UPDATE status_changes SET campaign_id = %(id)s", id=CAMPAIGN)

    unfolded = of_campaign(world)
    fold_counts(world.rt)

    assert of_campaign(world) == unfolded
    assert unfolded["NG", "alpha", "queued", "sent"] == 1
    counts = campaign_counts(world.rt, CAMPAIGN)
    assert [(each.name, each.messages, each.sent, each.segments) for each in counts.countries] == [
        ("GB", 1, 1, 1), ("NG", 1, 1, 1),
    ]  # fmt: skip
    assert [(each.name, each.sent, each.revenue) for each in counts.carriers] == [("alpha", 2, 800)]
    assert sum(each.messages for each in counts.minutes if each.status == "sent") == 2
    assert counts.total.revenue == 800


def test_two_folds_at_once_count_each_change_once(world: World) -> None:
    world.send("+2348012345678")

    with world.rt.begin() as one, world.rt.begin() as other:
        folded = status_counts.fold(one, 1), status_counts.fold(other, 100)

    assert sum(folded) == 2
    assert [row[2] for row in world.rows(SUMS.format(table="status_counts_by_day"))] == [1, 1]


def test_a_receipt_that_revokes_a_failure_is_counted_as_such(stage: Stage) -> None:
    stage.carrier("alpha")
    [message] = stage.send()
    stage.receive(message, "alpha", ReceiptVerdict.FAILED)
    stage.receive(message, "alpha", ReceiptVerdict.DELIVERED)

    found = [(before, status) for before, status, *_ in stage.world.rows(SUMS.format(table="status_changes"))]
    assert found == [("", "queued"), ("failed", "delivered"), ("queued", "sent"), ("sent", "failed")]
    assert stage.world.status(message) == "delivered"


def test_a_message_that_is_resent_is_counted_at_the_carrier_that_has_it(stage: Stage) -> None:
    stage.carrier("alpha")
    stage.carrier("beta")
    kind: dict[str, Any] = {"class": "transactional"}
    campaign = Launched(stage.world, numbers(2), **kind)
    campaign.run()
    [first, _] = campaign.messages().values()

    def carriers() -> list[tuple[str, int, int, int, int]]:
        found = campaign_counts(stage.rt, campaign.id).carriers
        return [(each.name, each.queued, each.sent, each.delivered, each.segments) for each in found]

    stage.receive(first, "alpha", ReceiptVerdict.FAILED, retryable=True)
    stage.turn()
    assert carriers() == [("alpha", 0, 1, 0, 2), ("beta", 0, 1, 0, 1)]
    stage.receive(first, "beta")
    stage.turn()

    assert carriers() == [("alpha", 0, 1, 0, 2), ("beta", 0, 0, 1, 1)]
    [country] = campaign_counts(stage.rt, campaign.id).countries
    assert (country.queued, country.sent, country.delivered, country.segments) == (0, 1, 1, 2)
