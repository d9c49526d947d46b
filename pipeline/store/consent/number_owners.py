"""Finds the account that an MO message is for: by the sender_ids table, and by who last wrote to the handset."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from pipeline.rules.consent.consent_numbers import forms
from pipeline.rules.identity import ids

_OWNERS = """
SELECT w.sender, s.account_id, s.sender
FROM unnest(%(senders)b::text[], %(spellings)b::text[]) AS w (sender, spelling)
JOIN sender_ids AS s ON s.sender = w.spelling
ORDER BY w.sender, s.account_id, s.state <> 'approved', s.sender
"""


def owners(conn: Connection, spellings: Mapping[str, Iterable[str]]) -> dict[str, dict[int, list[str]]]:
    """Return addressed number → account → its sender ids that equal one of the given spellings."""
    pairs = [(sender, spelling) for sender in sorted(spellings) for spelling in spellings[sender]]
    params = {"senders": [sender for sender, _ in pairs], "spellings": [spelling for _, spelling in pairs]}
    found: dict[str, dict[int, list[str]]] = {}
    for sender, account, spelt in conn.exec_driver_sql(_OWNERS, params):
        found.setdefault(sender, {}).setdefault(account, []).append(spelt)
    return found


# messages have no index on phone: the latest are scanned once, for all phones together
_CORRESPONDENTS = """
WITH latest AS MATERIALIZED (
    SELECT id, account_id, phone, sender FROM messages WHERE id >= %(since)s ORDER BY id DESC LIMIT %(limit)s
)
SELECT DISTINCT ON (w.phone, w.sender) w.phone, w.sender, latest.account_id
FROM unnest(%(phones)b::text[], %(senders)b::text[], %(forms)b::text[], %(spellings)b::text[])
     AS w (phone, sender, form, spelling)
JOIN latest ON latest.phone = w.form AND latest.sender = w.spelling
ORDER BY w.phone, w.sender, latest.id DESC
"""


def correspondents(
    conn: Connection, pairs: Mapping[tuple[str, str], Iterable[str]], since: datetime, limit: int
) -> dict[tuple[str, str], int]:
    """Return (phone, sender) → the account that last sent to that phone under one of these spellings of the sender.

    Scans up to `limit` of the latest messages, none older than `since`.
    """
    wanted = [
        (phone, sender, form, spelling)
        for (phone, sender), spellings in sorted(pairs.items())
        for form in forms(phone)
        for spelling in spellings
    ]
    if not wanted:
        return {}
    columns = zip(("phones", "senders", "forms", "spellings"), map(list, zip(*wanted, strict=True)), strict=True)
    params = {**dict(columns), "since": ids.lowest(since), "limit": limit}
    rows = conn.exec_driver_sql(_CORRESPONDENTS, params)
    return {(phone, sender): account for phone, sender, account in rows}
