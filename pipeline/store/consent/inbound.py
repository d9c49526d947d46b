"""The inbound table: what handsets sent, each once, kept first and heeded second."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules import ids
from schema.carriage import Inbound
from schema.vocabulary import InboundAction

_KEEP = """
INSERT INTO inbound (id, carrier, key, phone, sender, body, part_ref, part, of, at)
SELECT * FROM unnest(%(ids)b::uuid[], %(carriers)b::text[], %(keys)b::text[], %(phones)b::text[], %(senders)b::text[],
                     %(bodies)b::text[], %(refs)b::int4[], %(parts)b::int2[], %(ofs)b::int2[], %(ats)b::timestamptz[])
ON CONFLICT (carrier, key) DO NOTHING
"""


def keep(conn: Connection, first: UUID, messages: Sequence[Inbound]) -> int:
    """Keep messages from handsets, each once however often it comes; return how many were new."""
    if not messages:
        return 0
    # those who keep the same ones meanwhile lock them in the same order; the ids keep the order in which they came
    placed = sorted(enumerate(messages), key=lambda pair: (pair[1].carrier, pair[1].key))
    params = {
        "ids": [ids.after(first, place) for place, _ in placed],
        "carriers": [each.carrier for _, each in placed],
        "keys": [_plain(each.key) for _, each in placed],
        "phones": [_plain(each.phone) for _, each in placed],
        "senders": [_plain(each.sender) for _, each in placed],
        "bodies": [_plain(each.body) for _, each in placed],
        "refs": [each.part_ref for _, each in placed],
        "parts": [each.part for _, each in placed],
        "ofs": [each.of for _, each in placed],
        "ats": [each.at for _, each in placed],
    }
    return conn.exec_driver_sql(_KEEP, params).rowcount


def _plain(text: str) -> str:
    """Return a stranger's text as PostgreSQL can keep it."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Kept:
    """One message (or one part of a long one) that nobody has looked at yet."""

    id: UUID
    carrier: str
    phone: str
    sender: str
    body: str
    part_ref: int | None
    part: int | None
    of: int | None
    received_at: datetime
    #: no other part of it is waited for any more
    is_late: bool


# a part of a long message waits for the others, but not for ever
_FRESH = """
SELECT id, carrier, phone, sender, body, part_ref, part, of, received_at,
       received_at < now() - %(patience)s * interval '1 second'
FROM inbound AS i
WHERE handled_at IS NULL
  AND (part_ref IS NULL OR received_at < now() - %(patience)s * interval '1 second'
       OR of <= (SELECT count(DISTINCT p.part) FROM inbound AS p
                 WHERE p.handled_at IS NULL AND p.part_ref IS NOT NULL AND p.phone = i.phone
                   AND p.part_ref = i.part_ref AND p.carrier = i.carrier AND p.sender = i.sender AND p.of = i.of))
ORDER BY received_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def fresh(conn: Connection, limit: int, patience: float) -> list[Kept]:
    """Return and lock messages to look at now, in the order in which they came.

    Parts of long ones are among them when all are there, or after so many seconds.
    """
    return [Kept(*row) for row in conn.exec_driver_sql(_FRESH, {"limit": limit, "patience": patience})]


@dataclass(frozen=True, slots=True)
class Heeded:
    """What was done with one message."""

    id: UUID
    #: None: nobody's, or several accounts'
    account: int | None
    action: InboundAction
    #: what is to be answered; None: nothing
    reply: str | None = None


_HANDLE = """
UPDATE inbound AS i SET account_id = h.account_id, action = h.action, reply = h.reply, handled_at = now()
FROM unnest(%(ids)b::uuid[], %(accounts)b::int4[], %(actions)b::text[], %(replies)b::text[])
     AS h (id, account_id, action, reply)
WHERE i.id = h.id
"""


def handle(conn: Connection, done: Sequence[Heeded]) -> None:
    """Write what was done with messages."""
    if not done:
        return
    params = {
        "ids": [each.id for each in done],
        "accounts": [each.account for each in done],
        "actions": [str(each.action) for each in done],
        "replies": [each.reply for each in done],
    }
    conn.exec_driver_sql(_HANDLE, params)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer that is still to be sent."""

    id: UUID
    account: str
    sender: str
    phone: str
    body: str


# by the name under which the account has the sender: a carrier may have left its plus out
_REPLIES = """
SELECT i.id, a.name, coalesce(s.sender, i.sender), i.phone, i.reply
FROM inbound AS i JOIN accounts AS a ON a.id = i.account_id
LEFT JOIN LATERAL (
    SELECT sender FROM sender_ids WHERE account_id = i.account_id AND ltrim(sender, '+') = ltrim(i.sender, '+')
    ORDER BY state <> 'approved' LIMIT 1
) AS s ON true
WHERE i.reply IS NOT NULL ORDER BY i.received_at LIMIT %(limit)s
"""


def replies(conn: Connection, limit: int) -> list[Reply]:
    """Return up to so many answers that are still to be sent, oldest first."""
    return [Reply(*row) for row in conn.exec_driver_sql(_REPLIES, {"limit": limit})]


_REPLIED = "UPDATE inbound SET reply = NULL WHERE id = ANY(%(ids)b)"


def replied(conn: Connection, these: Iterable[UUID]) -> None:
    """Note that the answers to these messages are written: they are sent once."""
    conn.exec_driver_sql(_REPLIED, {"ids": list(these)})


# Whose they are -----------------------------------------------------------------------------------------------

_OWNERS = """
SELECT w.sender, s.account_id, s.sender
FROM unnest(%(senders)b::text[]) AS w (sender)
JOIN sender_ids AS s ON s.sender IN (ltrim(w.sender, '+'), '+' || ltrim(w.sender, '+'))
ORDER BY w.sender, s.account_id, s.state <> 'approved'
"""


def owners(conn: Connection, senders: Iterable[str]) -> dict[str, dict[int, str]]:
    """Return what was written to → the accounts that have it as a sender, each with how that is spelt there."""
    found: dict[str, dict[int, str]] = {}
    for sender, account, spelt in conn.exec_driver_sql(_OWNERS, {"senders": sorted(set(senders))}):
        found.setdefault(sender, {}).setdefault(account, spelt)
    return found


# nothing finds messages by their phone: the latest are looked through once, for all who are asked for together
_CORRESPONDENTS = """
WITH latest AS MATERIALIZED (
    SELECT id, account_id, phone, sender FROM messages WHERE id >= %(since)s ORDER BY id DESC LIMIT %(limit)s
)
SELECT DISTINCT ON (w.phone, w.sender) w.phone, w.sender, latest.account_id
FROM unnest(%(phones)b::text[], %(senders)b::text[]) AS w (phone, sender)
JOIN latest ON latest.phone = w.phone AND ltrim(latest.sender, '+') = ltrim(w.sender, '+')
ORDER BY w.phone, w.sender, latest.id DESC
"""


def correspondents(
    conn: Connection, pairs: Iterable[tuple[str, str]], since: datetime, limit: int
) -> dict[tuple[str, str], int]:
    """Return (phone, sender) → the account that wrote last to that phone under that sender.

    Looked for among so many messages, the latest, none of them older than that moment.
    """
    wanted = sorted(set(pairs))
    if not wanted:
        return {}
    params = {
        "phones": [phone for phone, _ in wanted],
        "senders": [sender for _, sender in wanted],
        "since": ids.lowest(since),
        "limit": limit,
    }
    return {(row[0], row[1]): row[2] for row in conn.exec_driver_sql(_CORRESPONDENTS, params)}


_LISTING = """
SELECT min(i.received_at) AS received_at, i.carrier, i.phone, i.sender, coalesce(a.name, '') AS account,
       string_agg(i.body, '' ORDER BY i.part, i.id) AS body,
       (array_agg(i.action ORDER BY i.action = 'keep', i.id))[1] AS action, min(i.handled_at) AS handled_at
FROM inbound AS i LEFT JOIN accounts AS a ON a.id = i.account_id
WHERE i.received_at >= %(since)s AND (i.account_id = %(account)s OR %(account)s::int4 IS NULL)
GROUP BY CASE WHEN i.part_ref IS NULL THEN i.id END, i.carrier, i.phone, i.sender, i.part_ref, i.of, a.name,
         CASE WHEN i.part_ref IS NOT NULL THEN i.handled_at END
ORDER BY min(i.received_at) DESC LIMIT %(limit)s
"""


def listing(conn: Connection, account: int | None, since: datetime, limit: int) -> list[dict[str, Any]]:
    """Return up to so many messages from handsets since a moment, the latest first: one account's (None: all)."""
    params = {"account": account, "since": since, "limit": limit}
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, params).mappings()]


_PRUNE = "DELETE FROM inbound WHERE id < %(before)s AND handled_at IS NOT NULL AND reply IS NULL"


def prune(conn: Connection, before: datetime) -> int:
    """Forget what came before then, but for what is still to be heeded or answered; return how many messages."""
    return conn.exec_driver_sql(_PRUNE, {"before": ids.lowest(before)}).rowcount
