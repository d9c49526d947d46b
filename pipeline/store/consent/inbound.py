"""The inbound_messages table: mobile-originated (MO) messages, deduplicated, stored first and handled later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.consent.consent_numbers import canonical
from pipeline.rules.identity import ids
from pipeline.rules.text.inbound_duplicates import doubtful
from pipeline.rules.text.inbound_parts import KeptPart
from schema.carriage import Inbound
from schema.vocabulary import InboundAction

#: seconds within which a possible duplicate is compared with the latest messages of its handset
_AGAIN = 300
# messages of one batch get times a microsecond apart, in order. A possible duplicate is skipped if it equals the
# latest message of its handset to that sender; a part, if it equals any recent one
_KEEP = """
INSERT INTO inbound_messages (id, carrier, key, phone, sender, body, part_ref, part, of, octets, coding, at,
                              received_at)
SELECT id, carrier, key, phone, sender, body, part_ref, part, of, octets, coding, at,
       now() + place * interval '1 microsecond'
FROM unnest(%(ids)b::uuid[], %(carriers)b::text[], %(keys)b::text[], %(phones)b::text[], %(senders)b::text[],
            %(bodies)b::text[], %(refs)b::int4[], %(parts)b::int2[], %(ofs)b::int2[], %(octets)b::bytea[],
            %(codings)b::text[], %(ats)b::timestamptz[], %(places)b::int4[], %(doubtful)b::bool[])
     AS m (id, carrier, key, phone, sender, body, part_ref, part, of, octets, coding, at, place, doubtful)
WHERE NOT (doubtful AND CASE
    WHEN part_ref IS NULL THEN coalesce((
        SELECT i.carrier = m.carrier AND split_part(i.key, '/', 1) = split_part(m.key, '/', 1)
        FROM inbound_messages AS i
        WHERE i.phone = m.phone AND i.sender = m.sender AND i.received_at > now() - %(again)s * interval '1 second'
        ORDER BY i.received_at DESC LIMIT 1), false)
    ELSE EXISTS (
        SELECT FROM inbound_messages AS i
        WHERE i.phone = m.phone AND i.sender = m.sender AND i.received_at > now() - %(again)s * interval '1 second'
          AND i.carrier = m.carrier AND split_part(i.key, '/', 1) = split_part(m.key, '/', 1))
    END)
ON CONFLICT (carrier, key) DO NOTHING
"""


def keep(conn: Connection, first: UUID, messages: Sequence[Inbound]) -> int:
    """Insert MO messages, each once even if it is delivered repeatedly; return how many were new."""
    if not messages:
        return 0
    compared = doubtful(messages)
    # locks are taken in the same order by concurrent calls, so that they do not deadlock; ids keep the order of arrival
    placed = sorted(
        ((place, each) for place, each in enumerate(messages) if place in compared),
        key=lambda pair: (pair[1].carrier, pair[1].key),
    )
    params = {
        **_arrays(first, placed),
        "doubtful": [compared[place] for place, _ in placed],
        "again": _AGAIN,
    }
    return conn.exec_driver_sql(_KEEP, params).rowcount


def _arrays(first: UUID, placed: Sequence[tuple[int, Inbound]]) -> dict[str, object]:
    """Return messages with their places as arrays."""
    return {
        "ids": [ids.after(first, place) for place, _ in placed],
        "carriers": [each.carrier for _, each in placed],
        "keys": [_plain(each.key) for _, each in placed],
        "phones": [canonical(_plain(each.phone)) for _, each in placed],
        "senders": [_plain(each.sender) for _, each in placed],
        "bodies": [_plain(each.body) for _, each in placed],
        "refs": [each.part_ref for _, each in placed],
        "parts": [each.part for _, each in placed],
        "ofs": [each.of for _, each in placed],
        "octets": [each.octets for _, each in placed],
        "codings": [each.coding for _, each in placed],
        "ats": [each.at for _, each in placed],
        "places": [place for place, _ in placed],
    }


def _plain(text: str) -> str:
    """Return text from outside without what PostgreSQL cannot store."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


_COLUMNS = """
i.id, i.carrier, i.phone, i.sender, i.body, i.part_ref, i.part, i.of, i.octets, i.coding, i.at, i.received_at,
i.received_at < now() - %(timeout)s * interval '1 second'
"""
# a part of a long message waits for the others until a timeout; then those that have arrived are joined
_FRESH = f"""
SELECT {_COLUMNS}
FROM inbound_messages AS i
WHERE handled_at IS NULL
  AND (part_ref IS NULL
       OR (SELECT i.of <= count(DISTINCT p.part) OR min(p.received_at) < now() - %(timeout)s * interval '1 second'
           FROM inbound_messages AS p
           WHERE p.handled_at IS NULL AND p.part_ref IS NOT NULL AND p.phone = i.phone
             AND p.part_ref = i.part_ref AND p.carrier = i.carrier AND p.sender = i.sender AND p.of = i.of))
ORDER BY received_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_MEMBERS = f"""
SELECT {_COLUMNS}
FROM unnest(%(carriers)b::text[], %(phones)b::text[], %(senders)b::text[], %(refs)b::int4[], %(ofs)b::int2[])
     AS w (carrier, phone, sender, part_ref, of)
JOIN inbound_messages AS i ON i.phone = w.phone AND i.part_ref = w.part_ref AND i.carrier = w.carrier
                          AND i.sender = w.sender AND i.of = w.of AND i.part_ref IS NOT NULL AND i.handled_at IS NULL
FOR UPDATE OF i SKIP LOCKED
"""


def fresh(conn: Connection, limit: int, timeout: float) -> list[KeptPart]:
    """Return and lock messages to handle now, in order of arrival.

    Parts of long messages are included when all have arrived (some may be left to the next call), or after `timeout`
    seconds; then all parts that have arrived are included.
    """
    found = [KeptPart(*row) for row in conn.exec_driver_sql(_FRESH, {"limit": limit, "timeout": timeout})]
    late = sorted({_group(each) for each in found if each.part_ref is not None and each.is_late})
    if not late:
        return found
    columns = dict(
        zip(("carriers", "phones", "senders", "refs", "ofs"), map(list, zip(*late, strict=True)), strict=True)
    )
    members = [KeptPart(*row) for row in conn.exec_driver_sql(_MEMBERS, {**columns, "timeout": timeout})]
    return [*(each for each in found if each.part_ref is None or _group(each) not in late), *members]


def _group(part: KeptPart) -> tuple[str, str, str, int, int]:
    return part.carrier, part.phone, part.sender, part.part_ref or 0, part.of or 0


@dataclass(frozen=True, slots=True)
class HandledInbound:
    """The result of handling one message."""

    id: UUID
    #: None: no account's, or that of several
    account: int | None
    action: InboundAction
    #: the text of the reply; None: no reply
    reply: str | None = None
    #: the whole text, if it was joined from parts
    body: str | None = None
    #: the sender id that was addressed, as its account writes it
    sender: str | None = None
    #: of a part: the message that holds the whole text
    joined_to: UUID | None = None
    #: it added an opt-out
    is_opt_out: bool = False
    #: the row of a campaign whose message it answers
    campaign: UUID | None = None
    campaign_line: int | None = None


_HANDLE = """
UPDATE inbound_messages AS i SET account_id = h.account_id, action = h.action, reply = h.reply, handled_at = now(),
    body = coalesce(h.body, i.body), sender = coalesce(h.sender, i.sender), joined_to = h.joined_to,
    octets = NULL, coding = NULL, campaign_id = h.campaign_id, campaign_line = h.campaign_line
FROM unnest(%(ids)b::uuid[], %(accounts)b::int4[], %(actions)b::text[], %(replies)b::text[], %(bodies)b::text[],
            %(senders)b::text[], %(wholes)b::uuid[], %(campaigns)b::uuid[], %(lines)b::int4[])
     AS h (id, account_id, action, reply, body, sender, joined_to, campaign_id, campaign_line)
WHERE i.id = h.id
"""


def handle(conn: Connection, done: Sequence[HandledInbound]) -> None:
    """Write the results of handling messages."""
    if not done:
        return
    params = {
        "ids": [each.id for each in done],
        "accounts": [each.account for each in done],
        "actions": [str(each.action) for each in done],
        "replies": [each.reply for each in done],
        "bodies": [each.body if each.body is None else _plain(each.body) for each in done],
        "senders": [each.sender for each in done],
        "wholes": [each.joined_to for each in done],
        "campaigns": [each.campaign for each in done],
        "lines": [each.campaign_line for each in done],
    }
    conn.exec_driver_sql(_HANDLE, params)


@dataclass(frozen=True, slots=True)
class KeywordReply:
    """A reply to a keyword that is not sent yet."""

    id: UUID
    account: str
    sender: str
    phone: str
    body: str


# by the account's spelling of the sender: a carrier may have removed its plus
_REPLIES = """
SELECT i.id, a.name, coalesce(s.sender, i.sender), i.phone, i.reply
FROM inbound_messages AS i JOIN accounts AS a ON a.id = i.account_id
LEFT JOIN LATERAL (
    SELECT sender FROM sender_ids WHERE account_id = i.account_id AND ltrim(sender, '+') = ltrim(i.sender, '+')
    ORDER BY state <> 'approved' LIMIT 1
) AS s ON true
WHERE i.reply IS NOT NULL ORDER BY i.received_at LIMIT %(limit)s
"""


def replies(conn: Connection, limit: int) -> list[KeywordReply]:
    """Return up to `limit` unsent replies, the oldest first."""
    return [KeywordReply(*row) for row in conn.exec_driver_sql(_REPLIES, {"limit": limit})]


_REPLIED = "UPDATE inbound_messages SET reply = NULL WHERE id = ANY(%(ids)b)"


def replied(conn: Connection, these: Iterable[UUID]) -> None:
    """Mark the replies to these messages as sent, so that they are sent once."""
    conn.exec_driver_sql(_REPLIED, {"ids": list(these)})


@dataclass(frozen=True, slots=True)
class Start:
    """A START that was applied."""

    phone: str
    #: None: sent to a sender of several accounts, or of none
    account: int | None
    sender: str
    at: datetime


_STARTS = """
SELECT phone, account_id, sender,
       CASE WHEN at BETWEEN received_at - %(believed)s::interval AND received_at THEN at ELSE received_at END
FROM inbound_messages
WHERE phone = ANY(%(phones)b) AND received_at > now() - %(believed)s::interval AND action = 'start'
"""


def starts(conn: Connection, phones: Iterable[str], believed: timedelta) -> list[Start]:
    """Return recent STARTs of these phones: an earlier STOP may arrive after them."""
    params = {"phones": sorted(set(phones)), "believed": believed}
    return [Start(*row) for row in conn.exec_driver_sql(_STARTS, params)]


# parts that wait for others are shown as one message
_LISTING = """
SELECT min(i.received_at) AS received_at, i.carrier, i.phone, i.sender, coalesce(a.name, '') AS account,
       string_agg(i.body, '' ORDER BY i.part, i.id) AS body, min(i.action) AS action, min(i.handled_at) AS handled_at
FROM inbound_messages AS i LEFT JOIN accounts AS a ON a.id = i.account_id
WHERE i.received_at >= %(since)s AND (i.account_id = %(account)s OR %(account)s::int4 IS NULL)
  AND i.joined_to IS NULL
GROUP BY CASE WHEN i.part_ref IS NULL OR i.handled_at IS NOT NULL THEN i.id END, i.carrier, i.phone, i.sender,
         i.part_ref, i.of, a.name
ORDER BY min(i.received_at) DESC LIMIT %(limit)s
"""


def listing(conn: Connection, account: int | None, since: datetime, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` MO messages since then, the latest first: of one account (None: of all)."""
    params = {"account": account, "since": since, "limit": limit}
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, params).mappings()]


_PRUNE = "DELETE FROM inbound_messages WHERE id < %(before)s AND handled_at IS NOT NULL AND reply IS NULL"


def prune(conn: Connection, before: datetime) -> int:
    """Delete messages that arrived before then and are handled and replied to; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"before": ids.lowest(before)}).rowcount
