"""Pages of held batches by keyset, those that expire first at the front."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.api.list_cursors import FIRST_PLACE, ListPlace
from schema.message_class import MessageClass
from schema.vocabulary import HoldReason


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch that waits though nothing failed."""

    id: UUID
    why: HoldReason
    account: str
    #: the carrier that it was to go to
    carrier: str
    message_class: MessageClass
    #: messages at its creation
    size: int
    created_at: datetime
    #: when its messages expire
    valid_until: datetime
    campaign: UUID | None

    @property
    def place(self) -> ListPlace:
        """Return its place in the list."""
        return ListPlace(self.valid_until, self.id)


_PAGE = """
SELECT b.id, b.held, a.name AS account, b.carrier, b.class AS message_class, b.size, b.created_at, b.valid_until,
       b.campaign_id
FROM batches AS b JOIN accounts AS a ON a.id = b.account_id
WHERE b.held IS NOT NULL AND (b.valid_until, b.id) > (%(at)s, %(id)s)
ORDER BY b.valid_until, b.id LIMIT %(limit)s
"""


def page(conn: Connection, after: ListPlace | None, limit: int) -> list[HeldBatch]:
    """Return up to `limit` held batches after a place (None: from the first on)."""
    edge = after or FIRST_PLACE
    return [
        HeldBatch(
            id=row.id,
            why=HoldReason(row.held),
            account=row.account,
            carrier=row.carrier,
            message_class=MessageClass(row.message_class),
            size=row.size,
            created_at=row.created_at,
            valid_until=row.valid_until,
            campaign=row.campaign_id,
        )
        for row in conn.exec_driver_sql(_PAGE, {"at": edge.at, "id": edge.id, "limit": limit})
    ]
