"""Messages that may be resent: sent, without a final status, with the carriers tried so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.store.campaigns import STOPPED
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, HoldReason


@dataclass(frozen=True, slots=True)
class ResendableMessage:
    """A sent message without a final status, with its attempts."""

    id: UUID
    account: int
    message_class: MessageClass
    valid_until: datetime
    phone: str
    country: str
    sender: str
    encoding: Encoding
    segments: int
    #: the number of attempts
    tries: int
    #: the number of carriers that accepted it, or may have, after the first
    resends: int
    #: tried carriers in order
    tried: tuple[str, ...]
    #: its text is not redacted
    is_whole: bool
    #: a carrier is known to have accepted it; False: one may have
    is_accepted: bool
    #: why a resend is held: its account is suspended, or its campaign paused; None: it may go
    held: HoldReason | None = None
    #: its campaign
    campaign: UUID | None = None
    #: its campaign was aborted: it is not resent
    is_over: bool = False


_SEEN = f"""
SELECT m.id, m.account_id, b.class AS message_class, b.valid_until, m.phone, m.country, m.sender, m.encoding,
       m.segments, a.tries, a.takers - 1 AS resends, a.tried, a.is_accepted,
       b.class <> 'otp' OR m.body <> repeat('*', length(m.body)) AS is_whole,
       CASE WHEN account.state <> 'active' THEN 'account' WHEN {STOPPED} THEN 'campaign' END AS held, b.campaign_id,
       coalesce((SELECT state FROM campaigns WHERE id = b.campaign_id) = 'aborted', false) AS is_over
FROM messages AS m
JOIN batches AS b ON b.id = m.batch_id
JOIN accounts AS account ON account.id = m.account_id
CROSS JOIN LATERAL (
    SELECT max(n) AS tries, count(DISTINCT carrier) FILTER (WHERE outcome IN ('accepted', 'unknown')) AS takers,
           array_agg(carrier ORDER BY n) AS tried,
           coalesce(bool_or('accepted' IN (outcome, late_outcome)), false) AS is_accepted
    FROM provider_attempts AS a WHERE a.message_id = m.id
) AS a
WHERE m.id = ANY(%(ids)b) AND m.status = 'sent' AND NOT b.test AND (b.resend_reason IS NULL OR b.status = 'done')
ORDER BY m.id
"""
_SENT = f"{_SEEN}FOR UPDATE OF m"


def of(conn: Connection, ids: Sequence[UUID]) -> list[ResendableMessage]:
    """Return and lock those of the messages that are sent and not being resent, ordered by id."""
    if not ids:
        return []
    return [_sent(row) for row in conn.exec_driver_sql(_SENT, {"ids": list(ids)})]


def seen(conn: Connection, ids: Sequence[UUID]) -> list[ResendableMessage]:
    """Return the same without locking anything, for those who only look."""
    return [_sent(row) for row in conn.exec_driver_sql(_SEEN, {"ids": list(ids)})] if ids else []


def _sent(row: Row[Any]) -> ResendableMessage:
    return ResendableMessage(
        id=row.id,
        account=row.account_id,
        message_class=MessageClass(row.message_class),
        valid_until=row.valid_until,
        phone=row.phone,
        country=row.country,
        sender=row.sender,
        encoding=Encoding(row.encoding),
        segments=row.segments,
        tries=row.tries,
        resends=row.resends,
        tried=tuple(row.tried),
        is_whole=row.is_whole,
        is_accepted=row.is_accepted,
        held=row.held and HoldReason(row.held),
        campaign=row.campaign_id,
        is_over=row.is_over,
    )
