"""The login_links table: one-time links by which users sign in or set a password."""

import secrets
from datetime import datetime

from sqlalchemy import Connection

from pipeline.rules.identity.session_tokens import TOKEN_SIZE, token_hash
from pipeline.store import users
from schema.user import User
from schema.vocabulary import LinkPurpose

_MAKE = """
INSERT INTO login_links (user_id, purpose, token_hash, expires_at) VALUES (%(user)s, %(purpose)s, %(hash)b, %(expires)s)
ON CONFLICT (user_id, purpose) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at
"""


def make(conn: Connection, user: int, purpose: LinkPurpose, expires_at: datetime) -> str:
    """Make a link for a user, in place of an earlier one; return its token."""
    token = secrets.token_urlsafe(TOKEN_SIZE)
    params = {"user": user, "purpose": str(purpose), "hash": token_hash(token), "expires": expires_at}
    conn.exec_driver_sql(_MAKE, params)
    return token


_FIND = f"""
SELECT l.purpose, {users.COLUMNS}
FROM login_links AS l JOIN users AS u ON u.id = l.user_id LEFT JOIN accounts AS a ON a.id = u.account_id
WHERE l.token_hash = %(hash)b AND l.expires_at > %(now)s AND u.disabled_at IS NULL
"""
_USE = "DELETE FROM login_links WHERE token_hash = %(hash)b"


def find(conn: Connection, token: str, now: datetime) -> tuple[User, LinkPurpose] | None:
    """Return whose link it is, and what for; None: it does not hold, or not any more."""
    row = conn.exec_driver_sql(_FIND, {"hash": token_hash(token), "now": now}).one_or_none()
    return (users.read(row), LinkPurpose(row.purpose)) if row else None


def use(conn: Connection, token: str) -> bool:
    """Use up a link; return False when it was used up already."""
    return conn.exec_driver_sql(_USE, {"hash": token_hash(token)}).rowcount == 1


def drop(conn: Connection, user: int) -> int:
    """Delete the links of a user; return how many."""
    return conn.exec_driver_sql("DELETE FROM login_links WHERE user_id = %(user)s", {"user": user}).rowcount


_PRUNE = "DELETE FROM login_links WHERE expires_at <= %(now)s"


def prune(conn: Connection, now: datetime) -> int:
    """Delete links that have expired, of which each user has two at most; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"now": now}).rowcount
