"""Inbound messages (MO) that answer a campaign: their rows found by number, and their counts by row."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.campaigns.replies import ANSWERED_WITHIN, SentRow
from pipeline.rules.identity import ids
from schema.value_class import value_class

#: the latest campaigns of a sender that a number is looked up in
_MOST = 20

# by the account's index: the id bounds the range that is read
_LIVE = """
SELECT id, account_id, sender FROM campaigns
WHERE account_id = ANY(%(accounts)b::int4[]) AND id >= %(lowest)s
  AND started_at IS NOT NULL AND (ended_at IS NULL OR ended_at >= %(since)s)
ORDER BY id DESC
"""
#: OFFSET 0: each pair is looked up by its index, however many there are
_ROWS = """
SELECT w.place AS asked, r.campaign_id, r.line, r.place, q.first_message
FROM unnest(%(places)b::int4[], %(campaigns)b::uuid[], %(phones)b::text[]) AS w (place, campaign_id, phone)
CROSS JOIN LATERAL (
    SELECT campaign_id, line, place, request_id FROM campaign_rows
    WHERE campaign_id = w.campaign_id AND phone = w.phone AND request_id IS NOT NULL OFFSET 0
) AS r JOIN requests AS q ON q.id = r.request_id
"""
_SENT_AT = "SELECT id, sent_at FROM messages WHERE id = ANY(%(ids)b) AND id BETWEEN %(first)s AND %(last)s"


@value_class
class ReceivedText:
    """An inbound message of an account."""

    account: int
    #: forms of its writer's number
    phones: Sequence[str]
    #: the account's spellings of the sender that it was sent to
    senders: Collection[str]


def sent_rows(
    conn: Connection, texts: Sequence[ReceivedText], now: datetime, created: datetime
) -> list[list[tuple[SentRow, datetime | None]]]:
    """Return for each text the rows that campaigns from its sender sent to its writer, each with when it was sent.

    Looked at are campaigns that were created at `created` or later, and have not ended long before `now`: the latest 20
    of each sender.
    """
    wanted = _wanted(conn, texts, now, created)
    if not wanted:
        return [[] for _ in texts]
    columns = dict(zip(("places", "campaigns", "phones"), map(list, zip(*wanted, strict=True)), strict=True))
    found: list[list[SentRow]] = [[] for _ in texts]
    for row in conn.exec_driver_sql(_ROWS, columns):
        found[row.asked].append(SentRow(row.campaign_id, row.line, ids.after(row.first_message, row.place)))
    sent_at = _sent_at(conn, {each.message for rows in found for each in rows})
    return [[(each, sent_at.get(each.message)) for each in rows] for rows in found]


def _wanted(
    conn: Connection, texts: Sequence[ReceivedText], now: datetime, created: datetime
) -> list[tuple[int, UUID, str]]:
    """Return (place of the text, campaign, number) of all rows to look for."""
    accounts = sorted({text.account for text in texts})
    params = {"accounts": accounts, "lowest": ids.lowest(created), "since": now - ANSWERED_WITHIN}
    live: defaultdict[tuple[int, str], list[UUID]] = defaultdict(list)
    for row in conn.exec_driver_sql(_LIVE, params) if accounts else ():
        live[row.account_id, row.sender].append(row.id)
    return [
        (place, campaign, phone)
        for place, text in enumerate(texts)
        for sender in text.senders
        for campaign in live.get((text.account, sender), ())[:_MOST]
        for phone in text.phones
    ]


def _sent_at(conn: Connection, messages: Collection[UUID]) -> dict[UUID, datetime | None]:
    if not messages:
        return {}
    params = {"ids": list(messages), "first": min(messages), "last": max(messages)}
    return {row.id: row.sent_at for row in conn.exec_driver_sql(_SENT_AT, params)}


_ADD = """
UPDATE campaign_progress AS p SET replies = p.replies + w.replies, opt_outs = p.opt_outs + w.opt_outs
FROM unnest(%(campaigns)b::uuid[], %(replies)b::int4[], %(opt_outs)b::int4[]) AS w (campaign_id, replies, opt_outs)
WHERE p.campaign_id = w.campaign_id
"""


def add(conn: Connection, counts: Mapping[UUID, tuple[int, int]]) -> None:
    """Count replies, and the opt-outs among them: campaign → (replies, opt-outs)."""
    if counts:
        columns = zip(("replies", "opt_outs"), map(list, zip(*counts.values(), strict=True)), strict=True)
        conn.exec_driver_sql(_ADD, {"campaigns": list(counts), **dict(columns)})


_BY_LINE = """
SELECT campaign_line, count(*)::int4 AS replies, bool_or(action = 'stop') AS is_out FROM inbound_messages
WHERE campaign_id = %(campaign)s AND campaign_line BETWEEN %(first)s AND %(last)s GROUP BY 1
"""


def by_line(conn: Connection, campaign: UUID, first: int, last: int) -> dict[int, tuple[int, bool]]:
    """Return line → (replies, whether one of them was a STOP) of rows from one line to another, where there are any."""
    rows = conn.exec_driver_sql(_BY_LINE, {"campaign": campaign, "first": first, "last": last})
    return {row.campaign_line: (row.replies, row.is_out) for row in rows}
