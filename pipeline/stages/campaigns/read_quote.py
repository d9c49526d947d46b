"""The quote of a campaign, as it was stored at the end of its check."""

from dataclasses import dataclass
from uuid import UUID

from pipeline.errors import Conflict, NotFound
from pipeline.rules.money import currencies
from pipeline.rules.money.quotes import Quote
from pipeline.runtime import Runtime
from pipeline.store import campaign_progress, campaigns
from schema.campaign import Campaign

__all__ = ["Quote", "QuotedCampaign", "read_quote", "spell"]


@dataclass(frozen=True, slots=True)
class QuotedCampaign:
    """A campaign with its quote."""

    campaign: Campaign
    #: rows loaded
    rows: int
    quote: Quote

    def spell(self, amount: int) -> str:
        """Return an amount of minor units as people write it: `1,234.50 NGN`."""
        return currencies.spell(amount, self.campaign.currency)

    @property
    def is_whole(self) -> bool:
        """Whether all rows would be sent, and the money suffices."""
        return self.quote.total.messages == self.rows and not self.quote.lacking


def read_quote(rt: Runtime, campaign: UUID) -> QuotedCampaign:
    """Return a campaign with its last quote, which may be void (`quote_until`, state); NotFound; Conflict: it has none.

    A campaign that failed its check has the quote of what could be priced.
    """
    with rt.read_only() as conn:
        found = campaigns.of(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        rows = campaign_progress.of(conn, campaign).rows
    if found.quote is None:
        because = f" ({found.reason})" if found.reason else ""
        raise Conflict(f"campaign {found.name!r} is {found.state}{because} and has no quote: check it first")
    return QuotedCampaign(found, rows, Quote.from_json(found.quote))


def spell(amount: int, campaign: Campaign) -> str:
    """Return an amount of minor units of a campaign's currency as people write it."""
    return currencies.spell(amount, campaign.currency)
