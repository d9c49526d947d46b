"""Who may approve a campaign: another actor than its writers above an account's amount; also as one of a series."""

from pipeline.runtime import Connection
from pipeline.store import accounts, audit_log, campaigns
from schema.campaign import Campaign
from schema.vocabulary import ActorKind

#: actors that prove who they are
AUTHENTICATED = {ActorKind.OS_USER, ActorKind.API_KEY}
#: columns that say how far a campaign is; whoever changes another one has written it
_STATE_COLUMNS = {
    *("state", "reason", "quoted_at", "quote_until", "max_cost"),
    *("approved_by", "approved_at", "started_at", "ended_at"),
    *("repeat_next_at", "repeat_ended", "copies_from", "approved_with"),
}


def covers(conn: Connection, approver: str, campaign: Campaign, cost: int) -> bool:
    """Tell whether who approved a campaign of a series, as its row names him, may approve this one at its cost."""
    limit = accounts.four_eyes_above(conn, campaign.account_id)
    if limit is None or cost <= limit:
        return True
    is_authenticated = approver.partition(":")[0] in AUTHENTICATED
    return is_authenticated and approver != campaign.created_by and approver not in writers(conn, campaign)


def writers(conn: Connection, campaign: Campaign) -> set[str]:
    """Return who created or changed a campaign or its recipients, or the first of its series, which it is made of."""
    first = campaigns.of(conn, campaign.series_id) if campaign.series_id else None
    found: set[str] = set()
    for each in filter(None, (campaign, first)):
        of = conn, each.account_id, "campaigns", each.audit_subject
        found |= audit_log.writers(*of, each.created_at, _STATE_COLUMNS)
    return found
