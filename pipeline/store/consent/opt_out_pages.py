"""Pages of opt-outs by keyset, in the order of the table's key: account, number, sender, class."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from pipeline.rules.consent import consent_numbers
from pipeline.store.consent.opt_outs import OptOut


@dataclass(frozen=True, slots=True)
class OptOutRow:
    """An opt-out, as lists show it."""

    opt_out: OptOut
    #: the keyword received, or an operator's name for it
    source: str
    created_at: datetime


_FIELDS = "o.account_id, o.phone, o.sender, o.class AS message_class, o.source, o.created_at"
_OF_ACCOUNT = f"""
SELECT {_FIELDS} FROM opt_outs AS o
WHERE o.account_id = %(account)s AND (o.phone, o.sender, o.class) > (%(phone)s, %(sender)s, %(class)s)
ORDER BY o.phone, o.sender, o.class LIMIT %(limit)s
"""
_OF_ALL = f"""
SELECT {_FIELDS} FROM opt_outs AS o
WHERE (o.account_id, o.phone, o.sender, o.class) > (%(account)s, %(phone)s, %(sender)s, %(class)s)
ORDER BY o.account_id, o.phone, o.sender, o.class LIMIT %(limit)s
"""


def page(conn: Connection, account: int | None, after: OptOut | None, limit: int) -> list[OptOutRow]:
    """Return up to `limit` opt-outs of an account (None: of all) after one of them (None: from the first on)."""
    edge = after or OptOut(-1, "")
    query = _OF_ALL if account is None else _OF_ACCOUNT
    params = {
        "account": edge.account if account is None else account,
        "phone": edge.phone,
        "sender": edge.sender,
        "class": edge.message_class,
        "limit": limit,
    }
    return [_row(row) for row in conn.exec_driver_sql(query, params)]


#: one look-up in the key for each account
_OF_NUMBER = f"""
SELECT {_FIELDS}
FROM unnest(%(accounts)b::int4[]) AS w (account_id)
JOIN opt_outs AS o ON o.account_id = w.account_id AND o.phone = %(phone)s
ORDER BY o.account_id, o.sender, o.class LIMIT %(limit)s
"""


def of_number(conn: Connection, accounts: Collection[int], phone: str, limit: int) -> list[OptOutRow]:
    """Return up to `limit` opt-outs of a number from these accounts."""
    params = {"accounts": sorted(accounts), "phone": consent_numbers.canonical(phone), "limit": limit}
    return [_row(row) for row in conn.exec_driver_sql(_OF_NUMBER, params)]


def _row(row: Row[Any]) -> OptOutRow:
    return OptOutRow(OptOut(row.account_id, row.phone, row.sender, row.message_class), row.source, row.created_at)
