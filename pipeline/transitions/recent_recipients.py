"""Recipients of a campaign who got a message of the account shortly before: they are left out.

When the campaign is checked, and once more as its rows become messages.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pipeline.errors import ConfigurationError
from pipeline.rules.identity.search_hashes import SearchHashes, as_integer
from pipeline.runtime import Connection, Runtime
from pipeline.store import excluded_rows, message_index
from pipeline.store.message_index import SearchKey
from schema.campaign import Campaign
from schema.message import Draft

#: rows whose numbers are looked up by one statement
_PORTION = 10_000


def since(campaign: Campaign, now: datetime) -> datetime | None:
    """Return from when on a message leaves its recipient out of a campaign that is checked now; None: none does."""
    hours = campaign.not_within_hours
    return max(now, campaign.send_at or now) - timedelta(hours=hours) if hours else None


def hashes(rt: Runtime, key: SearchKey | None, since: datetime, now: datetime) -> SearchHashes | None:
    """Return the hashes that messages since then are indexed by; None: not all of them are, or the key is another."""
    if key is None or (message_index.complete_from(key, now) or since) > since:
        return None
    with suppress(ConfigurationError):
        return SearchHashes(rt.vault.open(message_index.PURPOSE, key.sealed))
    return None


def fault(campaign: Campaign) -> str:
    """Return why such a row is not sent."""
    return f"the account sent a message to its number within {campaign.not_within_hours} hours"


def leave_out(
    conn: Connection, campaign: Campaign, since: datetime, hashes: SearchHashes | None, *, is_late: bool
) -> None:
    """Leave out the rows of a locked campaign without a verdict whose number got a message of the account since then.

    Found by the index of all messages; without hashes, and where it `is_late`, by the rows of the account's other
    campaigns.
    """
    why = fault(campaign)
    if hashes is None or is_late:
        excluded_rows.recipients_since(conn, campaign.id, campaign.account_id, since, why)
    if hashes is None:
        return
    line, phones = 0, excluded_rows.phones_after(conn, campaign.id, 0, _PORTION)
    while phones:
        numbers = [phone for _, phone in phones]
        recent = _recent(conn, campaign, numbers, hashes, since)
        excluded_rows.recently_messaged(conn, campaign.id, [line for line, phone in phones if phone in recent], why)
        line = phones[-1][0]
        phones = excluded_rows.phones_after(conn, campaign.id, line, _PORTION)


def meanwhile(rt: Runtime, conn: Connection, campaign: Campaign, drafts: Sequence[Draft], now: datetime) -> set[int]:
    """Return the places of those recipients who got another message of the account within the campaign's hours.

    Found by the index of messages: those of the last seconds are missed, and all if there is no index of these hours.
    """
    if not drafts or not campaign.not_within_hours or campaign.test:
        return set()
    since = now - timedelta(hours=campaign.not_within_hours)
    by = hashes(rt, message_index.key(conn), since, now)
    recent = _recent(conn, campaign, [each.phone for each in drafts], by, since) if by else set()
    return {each.index for each in drafts if each.phone in recent}


def _recent(
    conn: Connection, campaign: Campaign, numbers: Sequence[str], hashes: SearchHashes, since: datetime
) -> set[str]:
    sought = list(map(as_integer, hashes.numbers(campaign.account_id, numbers)))
    return message_index.recipients_since(conn, campaign, sought, numbers, since)
