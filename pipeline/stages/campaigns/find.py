"""Find a campaign by its name or id."""

from uuid import UUID

from pipeline.errors import NotFound
from pipeline.runtime import Runtime
from pipeline.store import campaign_progress, campaigns
from schema.campaign import Campaign, CampaignProgress


def find(rt: Runtime, account: str | None, name_or_id: str) -> Campaign:
    """Return a campaign by its name within an account, or by its id (of that account, if one is given); NotFound."""
    with rt.read_only() as conn:
        found = campaigns.named(conn, account, name_or_id) if account else None
        id_ = None if found else _id(name_or_id)
        if id_ is not None:
            found = campaigns.of(conn, id_)
    if found is None or account not in (None, found.account):
        raise NotFound(f"there is no campaign {name_or_id!r}" + (f" of account {account!r}" if account else ""))
    return found


def progress(rt: Runtime, campaign: UUID) -> CampaignProgress:
    """Return the counts of a campaign."""
    with rt.read_only() as conn:
        return campaign_progress.of(conn, campaign)


def _id(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None
