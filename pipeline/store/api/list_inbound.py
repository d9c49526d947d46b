"""Query of an account's inbound messages (MO), the latest first."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.api.list_cursors import FIRST_PLACE, LAST_PLACE, ListPlace
from schema.api_views import ShownInbound
from schema.vocabulary import InboundAction

# parts of a long message are left out: the row that they were joined to has the whole text
_PAGE = """
SELECT id, phone, sender, body, action, carrier, at, received_at, campaign_id FROM inbound_messages
WHERE account_id = %(account)s AND joined_to IS NULL AND received_at >= %(since)s
  AND (received_at, id) < (%(before_at)s, %(before_id)s)
ORDER BY received_at DESC, id DESC LIMIT %(limit)s
"""


def page(
    conn: Connection,
    account: int,
    before: ListPlace | None,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[ShownInbound]:
    """Return up to `limit` messages before a place (None: the latest) that arrived since then and before `until`."""
    edge = before or LAST_PLACE
    if until is not None and (before is None or until <= before.at):
        edge = ListPlace(until, UUID(int=0))
    params = {
        "account": account,
        "since": since or FIRST_PLACE.at,
        "before_at": edge.at,
        "before_id": edge.id,
        "limit": limit,
    }
    return [
        ShownInbound(
            id=row.id,
            phone=row.phone,
            sender=row.sender,
            body=row.body,
            action=InboundAction(row.action),
            carrier=row.carrier,
            at=row.at,
            received_at=row.received_at,
            answered=row.campaign_id,
        )
        for row in conn.exec_driver_sql(_PAGE, params)
    ]
