"""The campaign_events table: changes of campaigns' states, written with a webhook delivery for each endpoint."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.campaigns.alerts import is_alert
from pipeline.rules.identity import ids
from pipeline.store import campaign_progress, campaigns
from schema.campaign import Campaign
from schema.vocabulary import CampaignEventType, CampaignState, PauseCause

Row = dict[str, Any]

_LAST = "SELECT id FROM campaign_events WHERE campaign_id = %(campaign)s ORDER BY id DESC LIMIT 1"
#: endpoints of dialects that have such events
_RECORD = """
WITH written AS (
    INSERT INTO campaign_events (id, campaign_id, state, reason, cause, at, alert_due_at)
    VALUES (%(id)s, %(campaign)s, %(state)s, %(reason)s, %(cause)s, %(at)s, CASE WHEN %(is_alert)s THEN now() END)
)
INSERT INTO webhook_deliveries (endpoint_id, concurrency_key, event_id, message_id, status, at)
SELECT e.id, e.id, %(id)s, %(campaign)s, %(event)s, %(at)s
FROM webhook_endpoints AS e JOIN dialects AS d ON d.name = e.dialect AND d.has_campaigns
WHERE e.account_id = %(account)s
"""


def record(
    conn: Connection,
    campaign: Campaign,
    state: CampaignState,
    event: CampaignEventType,
    at: datetime,
    *,
    reason: str | None,
    cause: PauseCause | None,
) -> None:
    """Insert the event of a locked campaign's new state, and a delivery for each endpoint of its account.

    If it needs a person, an e-mail to operators is due. Its id is above those of the campaign's earlier events, also
    where the clocks of their processes differ.
    """
    last: UUID | None = conn.exec_driver_sql(_LAST, {"campaign": campaign.id}).scalar()
    id_ = ids.new_ids(at, secrets.randbits(ids.ENTROPY_BITS))
    params = {
        "id": ids.after(last, 1) if last and last >= id_ else id_,
        "campaign": campaign.id,
        "account": campaign.account_id,
        "state": str(state),
        "event": str(event),
        "reason": reason,
        "cause": cause and str(cause),
        "at": at,
        "is_alert": is_alert(state, cause),
    }
    conn.exec_driver_sql(_RECORD, params)


_LOAD = """
SELECT d.id, d.event_id, d.endpoint_id, d.concurrency_key, d.tries, d.status, e.dialect, e.url, e.events, e.sealed,
       NULL::bytea AS key_sealed,
       CASE WHEN e.rotated_at > now() - %(hours)s * interval '1 hour' THEN e.sealed_previous END AS sealed_previous,
       v.campaign_id, v.state, v.reason, v.cause, v.at
FROM unnest(%(ids)b::uuid[]) AS own (id)
JOIN webhook_deliveries AS d ON d.id = own.id
JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
JOIN campaign_events AS v ON v.id = d.event_id
"""


def load(conn: Connection, ids: Sequence[UUID], hours: float) -> list[Row]:
    """Return the content and the endpoint of these deliveries, as `webhook_deliveries.load` does for messages.

    Each has its `campaign`, with its present state, and the campaign's `progress`.
    """
    if not ids:
        return []
    rows = conn.exec_driver_sql(_LOAD, {"ids": list(ids), "hours": hours}).mappings().all()
    wanted = {row["campaign_id"] for row in rows}
    known, counts = campaigns.all_of(conn, wanted), campaign_progress.all_of(conn, wanted)
    return [{**row, "campaign": known[row["campaign_id"]], "progress": counts[row["campaign_id"]]} for row in rows]


# E-mails to operators ------------------------------------------------------------------------------------------

_CLAIM_ALERT = """
WITH due AS MATERIALIZED (
    SELECT id FROM campaign_events WHERE at > %(since)s AND alert_due_at <= now()
    ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE campaign_events AS v
SET alert_tries = v.alert_tries + 1, alert_due_at = now() + %(lease)s * interval '1 second'
FROM due WHERE v.id = due.id
RETURNING v.id, v.campaign_id, v.state, v.reason, v.cause, v.at, v.alert_tries
"""


def claim_alert(conn: Connection, since: datetime, lease: float) -> Row | None:
    """Claim an event since then whose e-mail is due, for `lease` seconds; return it, or None."""
    row = conn.exec_driver_sql(_CLAIM_ALERT, {"since": since, "lease": lease}).mappings().first()
    return dict(row) if row else None


_RECORD_ALERT = """
UPDATE campaign_events SET alert_due_at = now() + %(wait)s::float8 * interval '1 second'
WHERE id = %(id)s AND alert_tries = %(tries)s
"""


def record_alert(conn: Connection, event: UUID, tries: int, wait: float | None) -> None:
    """Let the e-mail of a claimed event be due in `wait` seconds; None: it is sent."""
    conn.exec_driver_sql(_RECORD_ALERT, {"id": event, "tries": tries, "wait": wait})


_PRUNE = """
DELETE FROM campaign_events AS v WHERE v.id < %(before)s
AND NOT EXISTS (SELECT FROM webhook_deliveries AS d WHERE d.message_id = v.campaign_id AND d.event_id = v.id)
"""


def prune(conn: Connection, before: datetime) -> int:
    """Delete events before then that no delivery refers to; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"before": ids.lowest(before)}).rowcount
