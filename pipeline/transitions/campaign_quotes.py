"""Validity of a campaign's quote: until when, and as long as nothing that it was made of changes."""

from datetime import datetime

from pipeline.rules.money import quote_binding
from pipeline.runtime import Connection
from pipeline.store import campaign_progress, wallet_ledger
from schema.campaign import Campaign


def why_outdated(conn: Connection, campaign: Campaign, now: datetime) -> str | None:
    """Return why the quote of a locked campaign does not hold any more; None: it does."""
    if campaign.quote_until is not None and campaign.quote_until <= now:
        return "its quote is too old"
    progress = campaign_progress.of(conn, campaign.id)
    prices = wallet_ledger.books(conn, [campaign.account_id], now).get(campaign.account_id, [])
    if campaign.quote_hash is not None and quote_binding.bind(campaign, progress, prices) != campaign.quote_hash:
        return "its text, recipients, schedule, limits or the prices have changed since its quote"
    return None
