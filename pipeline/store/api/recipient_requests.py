"""Status of requests to one recipient, for customers that poll."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.operator_reports import PUBLIC_STATUS

# a request with nothing accepted has no message: it was rejected on arrival
_STANDINGS = f"""
SELECT w.place, r.created_at, CASE WHEN m.id IS NULL THEN 'rejected' ELSE {PUBLIC_STATUS} END, m.error_code,
       coalesce(m.final_at, m.sent_at, b.queued_at, r.created_at)
FROM unnest(%(accounts)b::int4[], %(dialects)b::text[], %(ids)b::uuid[], %(tests)b::bool[])
     WITH ORDINALITY AS w (account_id, dialect, id, test, place)
JOIN requests AS r ON r.id = w.id AND r.account_id = w.account_id AND r.test = w.test AND r.dialect = w.dialect
LEFT JOIN LATERAL (SELECT * FROM messages WHERE id = r.first_message AND request_id = r.id) AS m ON true
LEFT JOIN batches AS b ON b.id = m.batch_id
"""


def standings(conn: Connection, wanted: Sequence[tuple[int, str, UUID, bool]]) -> dict[int, Sequence[Any]]:
    """Return place → (created_at, status, error code, status since) of (account, dialect, request, test) tuples."""
    accounts, dialects, ids, tests = map(list, zip(*wanted, strict=True))
    params = {"accounts": accounts, "ids": ids, "tests": tests, "dialects": dialects}
    return {place - 1: status for place, *status in conn.exec_driver_sql(_STANDINGS, params)}
