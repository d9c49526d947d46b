"""Rows of a campaign with what became of their messages, page by page in order of line."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids
from pipeline.store.operator_reports import PUBLIC_STATUS
from schema.value_class import value_class

_PAGE = """
SELECT line, correlation_id, phone, verdict, fault, request_id, place FROM campaign_rows
WHERE campaign_id = %(campaign)s AND line > %(after)s ORDER BY line LIMIT %(limit)s
"""
_FIRSTS = "SELECT id, first_message FROM requests WHERE id = ANY(%(ids)b)"
_MESSAGES = f"""
SELECT m.id, {PUBLIC_STATUS} AS status, m.error_code, m.segments, m.amount, m.sent_at, m.final_at,
       (SELECT a.carrier FROM provider_attempts AS a WHERE a.message_id = m.id ORDER BY a.n DESC LIMIT 1) AS carrier
FROM messages AS m JOIN batches AS b ON b.id = m.batch_id
WHERE m.id = ANY(%(ids)b) AND m.id BETWEEN %(first)s AND %(last)s
"""


@value_class
class MessageRow:
    """One row of a campaign, and the id of its message; None: it has none."""

    line: int
    correlation_id: str | None
    phone: str
    verdict: str | None
    fault: str | None
    message: UUID | None


def page(conn: Connection, campaign: UUID, after: int, limit: int) -> list[MessageRow]:
    """Return the next rows after a line, in order."""
    rows = conn.exec_driver_sql(_PAGE, {"campaign": campaign, "after": after, "limit": limit}).all()
    wanted = {row.request_id for row in rows if row.request_id}
    firsts: dict[UUID, UUID] = dict(conn.exec_driver_sql(_FIRSTS, {"ids": list(wanted)}).all()) if wanted else {}
    return [
        MessageRow(
            row.line,
            row.correlation_id,
            row.phone,
            row.verdict,
            row.fault,
            ids.after(firsts[row.request_id], row.place) if row.request_id else None,
        )
        for row in rows
    ]


def messages(conn: Connection, wanted: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """Return message → id, status, error_code, segments, amount, sent_at, final_at and carrier of its last attempt."""
    if not wanted:
        return {}
    params = {"ids": list(wanted), "first": min(wanted), "last": max(wanted)}
    return {row["id"]: dict(row) for row in conn.exec_driver_sql(_MESSAGES, params).mappings()}
