"""Campaigns of an account, or of all, the latest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import accounts, campaign_progress, campaigns
from schema.campaign import Campaign, CampaignProgress
from schema.vocabulary import CampaignState

_LAST = UUID(int=2**128 - 1)


def list_campaigns(rt: Runtime, account: str | None, most: int, before: UUID | None = None) -> list[Campaign]:
    """Return up to `most` campaigns of an account (None: of all), the latest first; NotFound: no such account.

    `before`: only those created before the campaign of this id, for the next page.
    """
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id if account else None
        return campaigns.listing(conn, owner, before or _LAST, most)


@dataclass(frozen=True, slots=True)
class ListedCampaigns:
    """Campaigns with their counts, the latest first."""

    campaigns: Sequence[Campaign]
    progress: Mapping[UUID, CampaignProgress]
    #: `before` of the next page; None: this is the last
    cursor: UUID | None


def campaign_page(
    rt: Runtime, account: str | None, state: CampaignState | None, most: int, before: UUID | None = None
) -> ListedCampaigns:
    """Return a page of campaigns of an account (None: of all) in a state (None: in any); NotFound: no such account.

    With a state, 1,000 campaigns are examined at once: a page may have fewer than `most`, or none, and another follow.
    """
    with rt.read_only() as conn:
        owner, first = accounts.named(conn, account).id if account else None, before or _LAST
        if state is None:
            found = campaigns.listing(conn, owner, first, most + 1)
        else:
            found = campaigns.in_state(conn, owner, state, first, most + 1)
        cursor = found[most - 1].id if len(found) > most else None
        if cursor is None and state is not None:
            cursor = campaigns.last_examined(conn, owner, first)
        shown = found[:most]
        return ListedCampaigns(shown, campaign_progress.all_of(conn, [each.id for each in shown]), cursor)
