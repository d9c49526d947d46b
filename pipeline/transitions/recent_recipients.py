"""Recipients of a campaign who got a message of the account shortly before: their rows are left out."""

from datetime import datetime, timedelta

from pipeline.rules.identity.search_hashes import SearchHashes, as_integer
from pipeline.runtime import Connection
from pipeline.store import excluded_rows, message_index
from schema.campaign import Campaign

#: rows whose numbers are looked up by one statement
_PORTION = 10_000


def since(campaign: Campaign, now: datetime) -> datetime | None:
    """Return from when on a message leaves its recipient out of a campaign that is checked now; None: none does."""
    hours = campaign.not_within_hours
    return max(now, campaign.send_at or now) - timedelta(hours=hours) if hours else None


def leave_out(
    conn: Connection, campaign: Campaign, since: datetime, hashes: SearchHashes | None, *, is_late: bool
) -> None:
    """Leave out the rows of a locked campaign without a verdict whose number got a message of the account since then.

    Found by the index of all messages; without hashes, and where it `is_late`, by the rows of the account's other
    campaigns.
    """
    fault = f"the account sent a message to its number within {campaign.not_within_hours} hours"
    owner = campaign.account_id
    if hashes is None or is_late:
        excluded_rows.recipients_since(conn, campaign.id, owner, since, fault)
    if hashes is None:
        return
    line, phones = 0, excluded_rows.phones_after(conn, campaign.id, 0, _PORTION)
    while phones:
        numbers = [phone for _, phone in phones]
        sought = list(map(as_integer, hashes.numbers(owner, numbers)))
        recent = message_index.recipients_since(conn, owner, sought, numbers, since)
        excluded_rows.recently_messaged(conn, campaign.id, [line for line, phone in phones if phone in recent], fault)
        line = phones[-1][0]
        phones = excluded_rows.phones_after(conn, campaign.id, line, _PORTION)
