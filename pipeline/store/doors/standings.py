"""Reading how requests to one recipient stand: what a customer is told who asks again and again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.overview import PUBLIC_STATUS

# a request of which nothing was accepted has no message: it was rejected as it came
_STANDINGS = f"""
SELECT w.place, r.created_at, CASE WHEN m.id IS NULL THEN 'rejected' ELSE {PUBLIC_STATUS} END, m.error_code,
       coalesce(m.final_at, m.sent_at, b.queued_at, r.created_at)
FROM unnest(%(accounts)b::int4[], %(ids)b::uuid[]) WITH ORDINALITY AS w (account_id, id, place)
JOIN requests AS r ON r.id = w.id AND r.account_id = w.account_id AND r.door = %(door)s
LEFT JOIN LATERAL (SELECT * FROM messages WHERE id = r.first_message AND request_id = r.id) AS m ON true
LEFT JOIN batches AS b ON b.id = m.batch_id
"""


def standings(conn: Connection, door: str, wanted: Sequence[tuple[int, UUID]]) -> dict[int, Sequence[Any]]:
    """Return place → (created_at, status, error code, since when) for those of the (account, request) that exist."""
    params = {"accounts": [account for account, _ in wanted], "ids": [id_ for _, id_ in wanted], "door": door}
    return {row[0] - 1: row[1:] for row in conn.exec_driver_sql(_STANDINGS, params)}
