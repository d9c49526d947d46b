"""What tests of campaigns begin with: a campaign of the world's account, with rows, checked."""

from collections.abc import Sequence
from typing import Any

from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.create import create
from pipeline.stages.campaigns.find import find
from pipeline.stages.campaigns.find import progress as progress_of
from pipeline.stages.campaigns.load import load
from pipeline.stages.campaigns.read_quote import Quote
from schema.campaign import Campaign, CampaignDefinition, CampaignProgress, GivenRow
from tests.world import World
from workers.campaign_checking import check_all


def definition(name: str = "spring", **fields: Any) -> CampaignDefinition:
    """Return the definition of a campaign of the world's account."""
    text = {} if "template" in fields else {"body": "Hello ${name}"}
    return CampaignDefinition.model_validate({"account": "acme", "name": name, "sender": "ACME"} | text | fields)


def rows_of(*numbers: str, first: int = 2, **fields: Any) -> list[GivenRow]:
    """Return a row for each number, from line 2 on as those of a CSV file, each with a name."""
    return [
        GivenRow(line, {"to": number, "merge": {"name": "Ada"}} | fields) for line, number in enumerate(numbers, first)
    ]


def draft(world: World, rows: Sequence[GivenRow] = (), name: str = "spring", **fields: Any) -> Campaign:
    """Create a campaign and load these rows; return it."""
    made = create(world.rt, definition(name, **fields))
    load(world.rt, made.id, rows)
    return made


def checked(world: World, campaign: Campaign) -> Campaign:
    """Check a campaign's rows; return it as it is then. Each row is either skipped or part of its quote."""
    start_check(world.rt, campaign.id)
    check_all(world.rt, campaign.id)
    found, sums = now(world, campaign), counts(world, campaign)
    if found.quote is not None:
        refused = [verdict for verdict in verdicts(world, campaign).values() if verdict is not None]
        assert sums.skipped == len(refused) == quote_of(found).skipped
        assert sums.skipped + quote_of(found).total.messages == sums.rows
    return found


def now(world: World, campaign: Campaign) -> Campaign:
    """Return a campaign as it is now."""
    return find(world.rt, None, str(campaign.id))


def counts(world: World, campaign: Campaign) -> CampaignProgress:
    """Return a campaign's counts."""
    return progress_of(world.rt, campaign.id)


def quote_of(campaign: Campaign) -> Quote:
    """Return the quote of a campaign that has one."""
    assert campaign.quote is not None
    return Quote.from_json(campaign.quote)


def verdicts(world: World, campaign: Campaign) -> dict[int, str | None]:
    """Return line → verdict of each row."""
    query = "SELECT line, verdict FROM campaign_rows WHERE campaign_id = %(id)s ORDER BY line"
    return dict(world.rows(query, id=campaign.id))
