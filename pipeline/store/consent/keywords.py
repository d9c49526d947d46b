"""The keywords table: words in MO messages (STOP, START, HELP, …) with their accounts, actions and replies."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from pipeline.rules.consent.stop_keyword_detection import Keyword
from schema.vocabulary import InboundAction

_OF = "SELECT word, action, reply, account_id FROM keywords WHERE account_id IS NULL OR account_id = ANY(%(accounts)s)"


def of(conn: Connection, accounts: Iterable[int]) -> list[Keyword]:
    """Return the keywords of these accounts, and those of all accounts."""
    rows = conn.exec_driver_sql(_OF, {"accounts": sorted(set(accounts))})
    return [Keyword(word, InboundAction(action), reply, account) for word, action, reply, account in rows]


_SET = """
INSERT INTO keywords (account_id, word, action, reply) VALUES (%(account)s, %(word)s, %(action)s, %(reply)s)
ON CONFLICT (account_id, word) DO UPDATE SET action = excluded.action, reply = excluded.reply
"""


def put(conn: Connection, keyword: Keyword) -> None:
    """Insert or replace a keyword."""
    params = {"account": keyword.account, "word": keyword.word, "action": str(keyword.action), "reply": keyword.reply}
    conn.exec_driver_sql(_SET, params)


_DROP = "DELETE FROM keywords WHERE account_id IS NOT DISTINCT FROM %(account)s AND word = %(word)s"


def drop(conn: Connection, account: int | None, word: str) -> bool:
    """Delete a keyword; return whether it existed."""
    return conn.exec_driver_sql(_DROP, {"account": account, "word": word}).rowcount == 1


_LISTING = """
SELECT a.name AS account, k.word, k.action, k.reply
FROM keywords AS k LEFT JOIN accounts AS a ON a.id = k.account_id
WHERE %(account)s::int4 IS NULL OR k.account_id IS NULL OR k.account_id = %(account)s
ORDER BY a.name NULLS FIRST, k.action, k.word
"""


def listing(conn: Connection, account: int | None) -> list[dict[str, Any]]:
    """Return keywords, those of all accounts (account None) first: every one, or those that apply to one account."""
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, {"account": account}).mappings()]
