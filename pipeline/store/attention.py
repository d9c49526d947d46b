"""What may need a person, across tables: drained carriers, dead letters that are kept, campaigns that stopped."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row

_DRAINED = "SELECT name, reason, changed_at FROM carriers WHERE state = 'drained' ORDER BY name"


def drained(conn: Connection) -> Sequence[Row[tuple[str, str | None, datetime]]]:
    """Return the drained carriers: `name`, `reason` and `changed_at`."""
    return conn.exec_driver_sql(_DRAINED).all()


_LETTERS = """
SELECT source, count(*) AS letters, min(received_at) AS oldest FROM dead_letters GROUP BY source ORDER BY source
"""


def letters(conn: Connection) -> Sequence[Row[tuple[str, int, datetime]]]:
    """Return the dead letters that are kept, by `source`: `letters`, and when the `oldest` came."""
    return conn.exec_driver_sql(_LETTERS).all()


#: those of the first part by their partial index; the others are as few as were created since
_STOPPED = """
SELECT c.id, c.name, a.name AS account, c.state, c.reason, e.cause, e.at FROM (
    SELECT * FROM campaigns
    WHERE state = 'paused' AND state IN ('checking', 'scheduled', 'running', 'paused')
    UNION ALL
    SELECT * FROM campaigns WHERE state = 'failed' AND id >= %(since)s
) AS c JOIN accounts AS a ON a.id = c.account_id
CROSS JOIN LATERAL (SELECT cause, at FROM campaign_events WHERE campaign_id = c.id ORDER BY id DESC LIMIT 1) AS e
ORDER BY e.at, c.id
"""


def stopped(
    conn: Connection, since: UUID
) -> Sequence[Row[tuple[UUID, str, str, str, str | None, str | None, datetime]]]:
    """Return paused campaigns, and those with ids from `since` on whose check failed.

    Each has `id`, `name`, `account`, `state`, `reason`, the `cause` of a pause, and since when (`at`).
    """
    return conn.exec_driver_sql(_STOPPED, {"since": since}).all()
