"""Earlier campaigns of an account that went to the recipients of another: by the digest of their rows, or a sample."""

from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.money.quotes import SameRecipients
from schema.campaign import Campaign

#: started campaigns whose digests are compared, and those whose rows a sample is looked up in, the latest
_COMPARED, _LOOKED_UP = 100, 3
#: numbers in a sample, and the share from which on a campaign is named
_SAMPLE, _SHARE = 1000, 0.2

_STARTED = """
SELECT c.id, c.name, c.started_at, p.digest = %(digest)s AND p.sent > 0 AS is_same
FROM (SELECT id, name, started_at FROM campaigns
      WHERE account_id = %(account)s AND id <> %(campaign)s ORDER BY id DESC LIMIT %(most)s) AS c
JOIN campaign_progress AS p ON p.campaign_id = c.id
WHERE c.started_at IS NOT NULL AND p.sent > 0
ORDER BY c.id DESC
"""
# one look-up by the primary key for each step: the row at that line, or the next one
_NUMBERS = """
SELECT DISTINCT phone
FROM (SELECT min(line) AS low, max(line) AS high FROM campaign_rows WHERE campaign_id = %(campaign)s) AS b
CROSS JOIN generate_series(0, %(sample)s::int8 - 1) AS step
CROSS JOIN LATERAL (
    SELECT phone, verdict FROM campaign_rows
    WHERE campaign_id = %(campaign)s AND line >= b.low + (b.high - b.low + 1)::int8 * step / %(sample)s
    ORDER BY line LIMIT 1
) AS r
WHERE verdict IS NULL
"""
# reads the rows of one campaign
_HIT = """
SELECT count(DISTINCT phone) FROM campaign_rows
WHERE campaign_id = %(campaign)s AND request_id IS NOT NULL AND phone = ANY(%(phones)b::text[])
"""


def find(conn: Connection, campaign: Campaign, digest: bytes | None) -> list[SameRecipients]:
    """Return the latest started campaigns of the account that went to these recipients, the latest first.

    Those with the same rows, of the latest hundred; and of the latest three those that got a fifth or more of a sample
    of a thousand numbers.
    """
    params = {"account": campaign.account_id, "campaign": campaign.id, "digest": digest, "most": _COMPARED}
    rows = conn.exec_driver_sql(_STARTED, params).all()
    sample = _sample(conn, campaign.id) if rows else []
    found = []
    for place, row in enumerate(rows):
        if row.is_same:
            found.append(SameRecipients(row.name, row.started_at.isoformat(), 1.0, 0))
        elif place < _LOOKED_UP and sample:
            hit = conn.exec_driver_sql(_HIT, {"campaign": row.id, "phones": sample}).scalar_one()
            if hit >= _SHARE * len(sample):
                found.append(SameRecipients(row.name, row.started_at.isoformat(), hit / len(sample), len(sample)))
    return found


def _sample(conn: Connection, campaign: UUID) -> list[str]:
    params = {"campaign": campaign, "sample": _SAMPLE}
    return [phone for (phone,) in conn.exec_driver_sql(_NUMBERS, params)]
