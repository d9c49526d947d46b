"""The quiet_hours table: local hours in which recipients of a country get no messages of a class."""

from typing import Any

from sqlalchemy import Connection

from pipeline.rules.consent.quiet_hours import QuietRule

_SET = """
INSERT INTO quiet_hours (account_id, country, class, from_minute, until_minute, action)
VALUES (%(account)s, %(country)s, %(class)s, %(begins)s, %(ends)s, %(action)s)
ON CONFLICT (account_id, country, class) DO UPDATE
SET from_minute = excluded.from_minute, until_minute = excluded.until_minute, action = excluded.action
"""


def put(conn: Connection, account: int | None, rule: QuietRule) -> None:
    """Insert or replace a rule of an account (None: of all accounts)."""
    params = {
        "account": account,
        "country": rule.country,
        "class": str(rule.message_class),
        "begins": rule.from_minute,
        "ends": rule.until_minute,
        "action": str(rule.action),
    }
    conn.exec_driver_sql(_SET, params)


_DROP = """
DELETE FROM quiet_hours
WHERE account_id IS NOT DISTINCT FROM %(account)s AND country = %(country)s AND class = %(class)s
"""


def drop(conn: Connection, account: int | None, country: str, message_class: str) -> bool:
    """Delete a rule; return whether it existed."""
    params = {"account": account, "country": country, "class": message_class}
    return conn.exec_driver_sql(_DROP, params).rowcount == 1


_LISTING = """
SELECT a.name AS account, q.country, q.class, q.from_minute, q.until_minute, q.action
FROM quiet_hours AS q LEFT JOIN accounts AS a ON a.id = q.account_id
ORDER BY a.name NULLS FIRST, q.country, q.class
"""


def listing(conn: Connection) -> list[dict[str, Any]]:
    """Return all rules, those of all accounts (account None) first."""
    return [dict(row) for row in conn.exec_driver_sql(_LISTING).mappings()]
