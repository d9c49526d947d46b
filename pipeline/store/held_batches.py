"""Holds on batches: batches that wait without having failed, and their release.

A held batch is neither promoted, hinted nor claimed; it uses up no round, and its validity period goes on. It is
released when the reason is gone or it expires, and then continues as usual (docs/decisions/0018-holds.md).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.batches import hints
from pipeline.store.campaigns import SENDABLE_STATES
from schema.message import Hint
from schema.vocabulary import HoldReason

#: each part uses its own partial index
_OPEN = """
SELECT id FROM batches WHERE status IN ('scheduled', 'waiting') AND held IS NULL AND account_id = %(account)s
UNION ALL
SELECT id FROM batches WHERE status = 'queued' AND held IS NULL AND account_id = %(account)s
"""
_HOLD = """
UPDATE batches SET held = %(why)s WHERE id IN (
    SELECT id FROM batches
    WHERE id = ANY(%(ids)b) AND status IN ('scheduled', 'queued', 'waiting') AND held IS NULL
    ORDER BY id FOR UPDATE SKIP LOCKED
)
"""


def open_of(conn: Connection, account: int) -> list[UUID]:
    """Return an account's batches that are open and neither claimed nor held."""
    return [id_ for (id_,) in conn.exec_driver_sql(_OPEN, {"account": account})]


#: materialized: a join that reads it again would lock, and hold, further rows beyond the limit
_HOLD_CAMPAIGN = """
WITH open AS MATERIALIZED (
    SELECT id FROM batches
    WHERE campaign_id = %(campaign)s AND status <> 'done' AND status IN ('scheduled', 'queued', 'waiting')
      AND held IS NULL
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE batches SET held = 'campaign' WHERE id IN (SELECT id FROM open)
"""


def hold(conn: Connection, batches: Sequence[UUID], why: HoldReason = HoldReason.ACCOUNT) -> int:
    """Hold batches that are not claimed; return how many. One that is being claimed is held at its next claim."""
    return conn.exec_driver_sql(_HOLD, {"ids": list(batches), "why": str(why)}).rowcount


def hold_campaign(conn: Connection, campaign: UUID, limit: int) -> int:
    """Hold up to `limit` open batches of a paused campaign; return how many: fewer than the limit means all.

    One that is being claimed is held at its next claim, one that is claimed when its worker gives it back.
    """
    return conn.exec_driver_sql(_HOLD_CAMPAIGN, {"campaign": campaign, "limit": limit}).rowcount


#: after how long a batch held for want of a carrier is retried, ever more rarely: wrong settings may affect one
#: process only
LOOK = timedelta(minutes=1)
#: no round has ended: carriers that were skipped are removed from `tried`, except for a resend
_KEEP = """
UPDATE batches
SET status = 'queued', held = 'carrier', lease_until = NULL, claims = 0, hints = 0, hinted_at = now(),
    due_at = now() + least(greatest(now() - coalesce(queued_at, now()), interval '1 minute'), interval '1 hour'),
    tried = CASE WHEN resend_reason IS NULL THEN '{}' ELSE tried END
WHERE id = ANY(%(ids)b) AND status = 'sending'
"""


def keep(conn: Connection, batches: Sequence[UUID]) -> None:
    """Hold claimed batches because no carrier may take them; end their claims."""
    if batches:
        conn.exec_driver_sql(_KEEP, {"ids": list(batches)})


#: batches of resumed accounts and campaigns; batches held for want of a carrier, after a change of carriers or routes
#: and at intervals; and expired ones, which end at their claim
_RELEASE = f"""
WITH RECURSIVE held_accounts AS (
    (SELECT account_id FROM batches WHERE held = 'account' ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT b.account_id FROM batches AS b
            WHERE b.held = 'account' AND b.account_id > held_accounts.account_id ORDER BY b.account_id LIMIT 1)
    FROM held_accounts WHERE held_accounts.account_id IS NOT NULL
), resumed AS MATERIALIZED (
    SELECT b.id FROM held_accounts JOIN accounts AS a ON a.id = held_accounts.account_id AND a.state = 'active'
    CROSS JOIN LATERAL (
        SELECT id FROM batches WHERE held = 'account' AND account_id = a.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) AS b
), held_campaigns AS (
    (SELECT campaign_id FROM batches WHERE held = 'campaign' ORDER BY campaign_id LIMIT 1)
    UNION ALL
    SELECT (SELECT b.campaign_id FROM batches AS b
            WHERE b.held = 'campaign' AND b.campaign_id > held_campaigns.campaign_id ORDER BY b.campaign_id LIMIT 1)
    FROM held_campaigns WHERE held_campaigns.campaign_id IS NOT NULL
), continued AS MATERIALIZED (
    SELECT b.id FROM held_campaigns
    JOIN campaigns AS c ON c.id = held_campaigns.campaign_id AND c.state IN ({SENDABLE_STATES})
    CROSS JOIN LATERAL (
        SELECT id FROM batches WHERE held = 'campaign' AND campaign_id = c.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) AS b
), changed AS MATERIALIZED (
    SELECT greatest(
        (SELECT max(changed_at) FROM carriers),
        (SELECT max(from_at) FROM routes WHERE from_at <= now()),
        (SELECT max(until_at) FROM routes WHERE until_at <= now())
    ) AS at WHERE EXISTS (SELECT FROM batches WHERE held = 'carrier')
), rerouted AS MATERIALIZED (
    SELECT id FROM batches WHERE held = 'carrier' AND hinted_at < (SELECT at FROM changed)
    ORDER BY hinted_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), retried AS MATERIALIZED (
    SELECT id FROM batches WHERE held = 'carrier' AND due_at <= now()
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), over AS MATERIALIZED (
    SELECT id FROM batches WHERE held IS NOT NULL AND valid_until <= now()
    ORDER BY valid_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE batches SET held = NULL, hints = 0, hinted_at = now()
WHERE id IN (
    SELECT id FROM resumed UNION SELECT id FROM continued UNION SELECT id FROM rerouted UNION SELECT id FROM retried
    UNION SELECT id FROM over
)
RETURNING status = 'queued' AS is_queued, id, class AS message_class, carrier, size
"""


def release(conn: Connection, limit: int) -> list[Hint]:
    """Release batches whose hold is over, up to `limit` of each kind; return hints of those that are queued."""
    rows = conn.exec_driver_sql(_RELEASE, {"limit": limit})
    return hints(row for row in rows if row.is_queued)


_HELD = """
SELECT held, coalesce(a.name, c.name, b.carrier) AS name, count(*) AS batches, sum(size)::int8 AS messages
FROM batches AS b LEFT JOIN accounts AS a ON a.id = b.account_id AND b.held = 'account'
LEFT JOIN campaigns AS c ON c.id = b.campaign_id AND b.held = 'campaign'
WHERE held IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""


def held(conn: Connection) -> list[dict[str, Any]]:
    """Return the held batches by reason and account, campaign or carrier, with their messages at creation."""
    return [dict(row) for row in conn.exec_driver_sql(_HELD).mappings()]
