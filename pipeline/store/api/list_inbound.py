"""Query of an account's inbound messages (MO), the latest first."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from schema.api_views import ShownInbound
from schema.vocabulary import InboundAction

#: before and after any message's arrival, and an id greater than any
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_END = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class InboundPlace:
    """The place of a message in the list: its arrival, and its id among those that arrived with it."""

    received_at: datetime
    id: UUID


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
    before: InboundPlace | None,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[ShownInbound]:
    """Return up to `limit` messages before a place (None: the latest) that arrived since then and before `until`."""
    edge = before or InboundPlace(_LATEST, _END)
    if until is not None and (before is None or until <= before.received_at):
        edge = InboundPlace(until, UUID(int=0))
    params = {
        "account": account,
        "since": since or _EARLIEST,
        "before_at": edge.received_at,
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
