"""`postroad campaign start`, `pause`, `resume`, `abort`, `limit`, `watch`, `results`."""

import csv
import io
import json

from schema.vocabulary import CampaignState
from tests.stages.launched import Launched, numbers
from tests.workers.cli.conftest import Shell
from tests.world import World

OF = ("--account", "acme")


def test_a_campaign_is_controlled_and_watched_until_it_has_ended(shell: Shell, world: World) -> None:
    campaign = Launched(world, numbers(4), CampaignState.APPROVED, name="spring")

    def said(*arguments: object, code: int = 0) -> str:
        found = shell("campaign", *arguments)
        assert found.code == code, found.err
        return found.out if code == 0 else found.err

    assert said("start", "spring", *OF) == "campaign spring is running\n"
    assert "possible now: pause, abort, limit" in said("start", campaign.id, code=1)
    assert said("pause", campaign.id, "--reason", "wrong text") == "campaign spring is paused\n"
    assert "wrong text" in said("status", "spring", *OF)
    assert said("resume", "spring", *OF) == "campaign spring is running\n"
    limits = ("--per-hour", "7200", "--segments-per-second", "0.5")
    assert "7,200 recipients per hour, 0.5 segments per second" in said("limit", "spring", *OF, *limits)
    off = ("--per-hour", "off", "--segments-per-second", "off")
    assert "any number of recipients" in said("limit", "spring", *OF, *off)
    assert "is no limit" in said("limit", "spring", *OF, "--per-hour", "-1", code=2)
    assert "there is no campaign" in said("pause", "winter", *OF, code=1)
    world.rt.settings = world.rt.settings.model_copy(update={"campaign_ahead": 2})
    campaign.deliver(campaign.expand())
    campaign.expand()

    assert "0 rows were not sent; 1 batches were ended" in said("abort", "spring", *OF)

    assert "rows: 4 sent" in shell("campaign", "watch", "spring", *OF).out
    status = json.loads(said("status", "spring", *OF, "--json"))["messages"]
    assert [(each["name"], each["sent"], each["cancelled"]) for each in status["countries"]] == [("NG", 2, 2)]
    assert [(each["name"], each["sent"]) for each in status["carriers"]] == [("alpha", 2)]
    assert "\nalpha " in said("status", "spring", *OF)
    ended = shell("campaign", "watch", "spring", *OF, "--json")
    shown = json.loads(ended.out)
    assert (ended.code, shown["state"], shown["sent"], shown["handed_over"]) == (1, "aborted", 4, 4)
    assert world.rows("SELECT status, count(*) FROM messages GROUP BY 1 ORDER BY 1") == [("cancelled", 2), ("sent", 2)]


def test_results_are_csv_with_masked_numbers(shell: Shell, world: World) -> None:
    campaign = Launched(world, ["+2348012345678", "+2348012345679"], name="spring")
    world.run("UPDATE campaign_rows SET correlation_id = '=1+1' WHERE line = 2")
    campaign.run()

    found = shell("campaign", "results", "spring", *OF)
    rows = list(csv.DictReader(io.StringIO(found.out)))

    assert [(row["line"], row["number"], row["outcome"], row["status"], row["cost"]) for row in rows] == [
        ("2", "+2348*******78", "sent", "sent", "400"),
        ("3", "+2348*******79", "sent", "sent", "400"),
    ]
    assert rows[0]["correlation_id"] == "'=1+1"
    assert "+2348012345678" in shell("campaign", "results", campaign.id, "--numbers").out
    [first, _] = shell("campaign", "results", "spring", *OF, "--json").out.splitlines()
    shown = json.loads(first)
    assert (shown["correlation_id"], shown["segments"], shown["verdict"]) == ("=1+1", 1, None)
    assert shown["message"] == str(campaign.messages()[2])
