"""Campaigns of an account, or of all, the latest first."""

from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import accounts, campaigns
from schema.campaign import Campaign

_LAST = UUID(int=2**128 - 1)


def list_campaigns(rt: Runtime, account: str | None, most: int, before: UUID | None = None) -> list[Campaign]:
    """Return up to `most` campaigns of an account (None: of all), the latest first; NotFound: no such account.

    `before`: only those created before the campaign of this id, for the next page.
    """
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id if account else None
        return campaigns.listing(conn, owner, before or _LAST, most)
