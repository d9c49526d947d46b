"""The audit_log table: changes of configuration and control, which triggers write with the change itself.

What changes no row of configuration, such as a cancellation, is written by `note`.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

Row = dict[str, Any]

_NOTE = """
SELECT log_change(%(table)s::text, %(subject)s::text, %(account)s::int4, NULL, %(after)s::jsonb, %(action)s::text)
"""


def note(
    conn: Connection, table: str, subject: str, action: str, after: Mapping[str, Any], account: int | None = None
) -> None:
    """Add an entry about rows of a table; the transaction's actor and its action precede `action`."""
    params = {"table": table, "subject": subject, "account": account, "after": json.dumps(after), "action": action}
    conn.exec_driver_sql(_NOTE, params)


_LATEST = "SELECT * FROM audit_log WHERE at >= %(since)s{conditions} ORDER BY at DESC, id DESC LIMIT %(limit)s"
#: only those that are given become part of the query. Accounts, tables and actors have an index of their own
_CONDITIONS = {
    "account": " AND account_id = %(account)s",
    "table": " AND subject_table = %(table)s",
    "before": " AND id < %(before)s",
}
#: one index has who acted, another for whom they claimed to act
_ACTED, _CLAIMED = " AND actor = %(actor)s", " AND claimed = %(actor)s AND actor <> %(actor)s"
_LIST = """
SELECT l.id, l.at, l.actor_kind, l.actor, l.claimed, l.origin, l.action, l.subject_table, l.subject,
       a.name AS account, l.before, l.after
FROM ({latest}) AS l LEFT JOIN accounts AS a ON a.id = l.account_id
ORDER BY l.at DESC, l.id DESC LIMIT %(limit)s
"""


def query(given: Collection[str]) -> str:
    """Return the query of the entries that fit these parameters, besides `since` and `limit`."""
    conditions = "".join(words for name, words in _CONDITIONS.items() if name in given)
    if "actor" not in given:
        return _LIST.format(latest=_LATEST.format(conditions=conditions))
    each = (_LATEST.format(conditions=conditions + own) for own in (_ACTED, _CLAIMED))
    return _LIST.format(latest=" UNION ALL ".join(f"({one})" for one in each))


def listing(
    conn: Connection,
    since: datetime,
    limit: int,
    *,
    account: int | None = None,
    table: str | None = None,
    actor: str | None = None,
    before: int | None = None,
) -> list[Row]:
    """Return up to `limit` entries since then, the latest first, of one account, table and actor (None: all).

    `before`: only entries with a lower id, for the next page.
    """
    sought = {"account": account, "table": table, "actor": actor, "before": before}
    given = {name: value for name, value in sought.items() if value is not None}
    params = {"since": since, "limit": limit, **given}
    return [dict(row) for row in conn.exec_driver_sql(query(given), params).mappings()]


_OF_SUBJECT = """
SELECT at, actor_kind, actor, claimed, action, subject_table, before, after FROM audit_log
WHERE account_id = %(account)s AND at >= %(since)s AND subject_table = ANY(%(tables)b) AND subject = %(subject)s
ORDER BY at DESC, id DESC LIMIT %(limit)s
"""


def of_subject(
    conn: Connection, account: int, tables: Collection[str], subject: str, since: datetime, limit: int
) -> list[Row]:
    """Return up to `limit` entries since then about one subject of an account, the latest first."""
    params = {"account": account, "tables": list(tables), "subject": subject, "since": since, "limit": limit}
    return [dict(row) for row in conn.exec_driver_sql(_OF_SUBJECT, params).mappings()]


_WRITERS = """
SELECT DISTINCT actor_kind || ':' || name AS writer
FROM audit_log AS l CROSS JOIN unnest(ARRAY[l.actor, l.claimed]) AS n (name)
WHERE account_id = %(account)s AND at >= %(since)s AND subject_table = %(table)s AND subject = %(subject)s
  AND name IS NOT NULL AND EXISTS (SELECT FROM jsonb_object_keys(after) AS changed WHERE changed <> ALL(%(others)b))
"""


def writers(
    conn: Connection, account: int, table: str, subject: str, since: datetime, others: Collection[str]
) -> set[str]:
    """Return who made or changed a row since then, as actors are named, with whom they claimed to act for.

    Changes of the columns `others` alone do not count.
    """
    params = {"account": account, "table": table, "subject": subject, "since": since, "others": list(others)}
    return set(conn.exec_driver_sql(_WRITERS, params).scalars())


def prune(conn: Connection, before: datetime) -> int:
    """Delete entries from before then; return how many."""
    conn.exec_driver_sql("SET LOCAL postroad.retention = 'audit_log'")
    deleted = conn.exec_driver_sql("DELETE FROM audit_log WHERE at < %(before)s", {"before": before}).rowcount
    conn.exec_driver_sql("SET LOCAL postroad.retention = ''")
    return deleted
