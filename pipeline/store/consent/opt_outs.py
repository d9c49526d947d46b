"""The opt_outs table: phones that refuse messages, by account, sender and message class.

Numbers and senders are written and looked up in canonical form (`rules.consent.consent_numbers`), for every caller.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from pipeline.rules.consent import consent_numbers

#: the account id that means all accounts
EVERYBODY = 0


class OptOut(NamedTuple):
    """An opt-out: the phone, and which messages it refuses."""

    #: account id; EVERYBODY: all accounts
    account: int
    #: phone in E.164
    phone: str
    #: sender; "": all of the account
    sender: str = ""
    #: message class; "": all
    message_class: str = ""


@dataclass(frozen=True, slots=True)
class PendingSend:
    """A message that is checked against opt-outs."""

    account: int
    phone: str
    sender: str
    message_class: str
    #: the account's own opt-outs are ignored
    skips: bool = False


# LIMIT makes it one index look-up per message, whatever the planner estimates
_REFUSED = """
SELECT w.place
FROM unnest(%(accounts)b::int4[], %(phones)b::text[], %(senders)b::text[], %(classes)b::text[], %(skips)b::bool[])
     WITH ORDINALITY AS w (account_id, phone, sender, class, skips, place)
CROSS JOIN LATERAL (
    SELECT FROM opt_outs AS o
    WHERE o.account_id IN (0, w.account_id) AND o.phone = w.phone AND o.sender IN ('', w.sender)
      AND o.class IN ('', w.class) AND (o.account_id = 0 OR NOT w.skips)
    LIMIT 1
) AS o
"""


def refused(conn: Connection, pending: Sequence[PendingSend]) -> list[int]:
    """Return the places (from 0) of those that an opt-out of their recipient refuses."""
    if not pending:
        return []
    params = {
        "accounts": [each.account for each in pending],
        "phones": [consent_numbers.canonical(each.phone) for each in pending],
        "senders": [consent_numbers.sender(each.sender) for each in pending],
        "classes": [each.message_class for each in pending],
        "skips": [each.skips for each in pending],
    }
    return [place - 1 for (place,) in conn.exec_driver_sql(_REFUSED, params)]


_OF = """
SELECT o.account_id, o.phone, o.sender, o.class, o.opted_out_at
FROM unnest(%(accounts)b::int4[], %(phones)b::text[]) AS w (account_id, phone)
JOIN opt_outs AS o ON o.account_id = w.account_id AND o.phone = w.phone
"""


def of(conn: Connection, pairs: Iterable[tuple[int, str]]) -> dict[OptOut, datetime]:
    """Return the opt-outs of these (account, phone) pairs, with their times."""
    wanted = sorted({(account, consent_numbers.canonical(phone)) for account, phone in pairs})
    if not wanted:
        return {}
    params = {"accounts": [account for account, _ in wanted], "phones": [phone for _, phone in wanted]}
    return {OptOut(*said): said_at for *said, said_at in conn.exec_driver_sql(_OF, params)}


# xmax is 0 in an inserted row
_ADD = """
INSERT INTO opt_outs AS o (account_id, phone, sender, class, source, opted_out_at)
SELECT account_id, phone, sender, class, source, coalesce(at, now())
FROM unnest(%(accounts)b::int4[], %(phones)b::text[], %(senders)b::text[], %(classes)b::text[], %(sources)b::text[],
            %(ats)b::timestamptz[]) AS w (account_id, phone, sender, class, source, at)
ON CONFLICT (account_id, phone, sender, class) DO UPDATE SET opted_out_at = excluded.opted_out_at
WHERE o.opted_out_at < excluded.opted_out_at
RETURNING xmax = 0
"""


def add(conn: Connection, said: Iterable[tuple[OptOut, str]], ats: Mapping[OptOut, datetime] | None = None) -> int:
    """Insert opt-outs with their source and time (now unless in `ats`); return how many were new.

    An existing opt-out gets the later of both times.
    """
    rows: dict[OptOut, tuple[str, datetime | None]] = {}
    for each, source in sorted(said):
        rows.setdefault(_canonical(each), (source, (ats or {}).get(each)))
    if not rows:
        return 0
    params = _columns(list(rows)) | {
        "sources": [source for source, _ in rows.values()],
        "ats": [at for _, at in rows.values()],
    }
    return sum(conn.exec_driver_sql(_ADD, params).scalars())


_REMOVE = """
DELETE FROM opt_outs WHERE (account_id, phone, sender, class) IN (
    SELECT * FROM unnest(%(accounts)b::int4[], %(phones)b::text[], %(senders)b::text[], %(classes)b::text[]))
"""


def remove(conn: Connection, these: Iterable[OptOut]) -> int:
    """Delete opt-outs; return how many existed."""
    rows = sorted({_canonical(each) for each in these})
    return conn.exec_driver_sql(_REMOVE, _columns(rows)).rowcount if rows else 0


def _canonical(said: OptOut) -> OptOut:
    return said._replace(phone=consent_numbers.canonical(said.phone), sender=consent_numbers.sender(said.sender))


def _columns(rows: Sequence[OptOut]) -> dict[str, Any]:
    accounts, phones, senders, classes = (list(column) for column in zip(*rows, strict=True))
    return {"accounts": accounts, "phones": phones, "senders": senders, "classes": classes}


_LISTING = """
SELECT coalesce(a.name, '') AS account, o.phone, o.sender, o.class, o.source, o.created_at
FROM opt_outs AS o LEFT JOIN accounts AS a ON a.id = o.account_id
WHERE (o.account_id = %(account)s OR %(account)s::int4 IS NULL) AND (o.phone = %(phone)s OR %(phone)s::text IS NULL)
ORDER BY o.created_at DESC, o.account_id, o.phone, o.sender, o.class LIMIT %(limit)s
"""


def listing(conn: Connection, account: int | None, phone: str | None, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` opt-outs, the latest first: of one account and one phone (None: of all)."""
    params = {"account": account, "phone": phone and consent_numbers.canonical(phone), "limit": limit}
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, params).mappings()]
