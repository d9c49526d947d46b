"""The opt_outs table: who wants nothing, from whom, of which kind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

#: stands for every account
EVERYBODY = 0


class OptOut(NamedTuple):
    """Who wants nothing from whom."""

    #: EVERYBODY: every account
    account: int
    #: E.164
    phone: str
    #: "": every sender of the account
    sender: str = ""
    #: "": every class of message
    message_class: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """One message that somebody would send."""

    account: int
    phone: str
    sender: str
    message_class: str
    #: the account's own opt-outs do not count
    skips: bool = False


# LIMIT: an index look-up each, whatever the planner thinks of the table
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


def refused(conn: Connection, wishes: Sequence[Wish]) -> list[int]:
    """Return the places (from 0) of those whose recipient wants none of it."""
    if not wishes:
        return []
    params = {
        "accounts": [each.account for each in wishes],
        "phones": [each.phone for each in wishes],
        "senders": [each.sender for each in wishes],
        "classes": [each.message_class for each in wishes],
        "skips": [each.skips for each in wishes],
    }
    return [place - 1 for (place,) in conn.exec_driver_sql(_REFUSED, params)]


_OF = """
SELECT o.account_id, o.phone, o.sender, o.class
FROM unnest(%(accounts)b::int4[], %(phones)b::text[]) AS w (account_id, phone)
JOIN opt_outs AS o ON o.account_id = w.account_id AND o.phone = w.phone
"""


def of(conn: Connection, pairs: Iterable[tuple[int, str]]) -> set[OptOut]:
    """Return what these phones want nothing of, from these accounts."""
    wanted = sorted(set(pairs))
    if not wanted:
        return set()
    params = {"accounts": [account for account, _ in wanted], "phones": [phone for _, phone in wanted]}
    return {OptOut(*row) for row in conn.exec_driver_sql(_OF, params)}


_ADD = """
INSERT INTO opt_outs (account_id, phone, sender, class, source)
SELECT * FROM unnest(%(accounts)b::int4[], %(phones)b::text[], %(senders)b::text[], %(classes)b::text[],
                     %(sources)b::text[])
ON CONFLICT DO NOTHING
"""


def add(conn: Connection, said: Iterable[tuple[OptOut, str]]) -> int:
    """Write opt-outs, each with who said so; return how many were not there."""
    rows = sorted(said)
    if not rows:
        return 0
    params = _columns([each for each, _ in rows]) | {"sources": [source for _, source in rows]}
    return conn.exec_driver_sql(_ADD, params).rowcount


_REMOVE = """
DELETE FROM opt_outs WHERE (account_id, phone, sender, class) IN (
    SELECT * FROM unnest(%(accounts)b::int4[], %(phones)b::text[], %(senders)b::text[], %(classes)b::text[]))
"""


def remove(conn: Connection, these: Iterable[OptOut]) -> int:
    """Take opt-outs back; return how many were there."""
    rows = sorted(these)
    return conn.exec_driver_sql(_REMOVE, _columns(rows)).rowcount if rows else 0


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
    """Return up to so many opt-outs, the latest first: one account's (None: all), one phone's (None: all)."""
    params = {"account": account, "phone": phone, "limit": limit}
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, params).mappings()]
