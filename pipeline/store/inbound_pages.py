"""Pages of inbound (MO) messages of an account, or of all, by keyset; and one of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.api.list_cursors import LAST_PLACE, ListPlace
from schema.vocabulary import InboundAction


@dataclass(frozen=True, slots=True)
class InboundRow:
    """An inbound message with its number and text."""

    id: UUID
    received_at: datetime
    phone: str
    #: the number or short code that it was sent to
    sender: str
    body: str
    carrier: str
    #: None: of none, or of several
    account: int | None
    #: None: it waits to be handled
    action: InboundAction | None
    #: the campaign whose message it answers
    campaign: UUID | None

    @property
    def place(self) -> ListPlace:
        """Return its place in the list."""
        return ListPlace(self.received_at, self.id)


_FIELDS = "id, received_at, phone, sender, body, carrier, account_id, action, campaign_id"
# parts of a long message are left out once the row that they were joined to has the whole text
_OF_ACCOUNT = f"""
SELECT {_FIELDS} FROM inbound_messages
WHERE account_id = %(account)s AND joined_to IS NULL AND (received_at, id) < (%(at)s, %(id)s)
ORDER BY received_at DESC, id DESC LIMIT %(limit)s
"""
#: ids begin with the time of arrival
_OF_ALL = f"""
SELECT {_FIELDS} FROM inbound_messages
WHERE joined_to IS NULL AND id < %(id)s ORDER BY id DESC LIMIT %(limit)s
"""


def page(conn: Connection, account: int | None, before: ListPlace | None, limit: int) -> list[InboundRow]:
    """Return up to `limit` messages of an account (None: of all) before a place (None: from the latest on)."""
    edge = before or LAST_PLACE
    query = _OF_ALL if account is None else _OF_ACCOUNT
    params = {"account": account, "at": edge.at, "id": edge.id, "limit": limit}
    return [_row(row) for row in conn.exec_driver_sql(query, params)]


_ONE = f"""
SELECT {_FIELDS} FROM inbound_messages
WHERE id = %(id)s AND (account_id = %(account)s OR %(account)s::int4 IS NULL)
"""


def one(conn: Connection, account: int | None, id_: UUID) -> InboundRow | None:
    """Return a message of an account (None: of any); None: there is none."""
    row = conn.exec_driver_sql(_ONE, {"id": id_, "account": account}).first()
    return _row(row) if row else None


def _row(row: Row[Any]) -> InboundRow:
    return InboundRow(
        id=row.id,
        received_at=row.received_at,
        phone=row.phone,
        sender=row.sender,
        body=row.body,
        carrier=row.carrier,
        account=row.account_id,
        action=InboundAction(row.action) if row.action else None,
        campaign=row.campaign_id,
    )
