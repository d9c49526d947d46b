"""The user_sessions table: sessions of the console's users, found by the hash of their token."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from pipeline.rules.identity.session_tokens import TOKEN_SIZE, csrf_token, token_hash
from pipeline.rules.identity.user_agents import family
from pipeline.store import users
from schema.user import SessionView, SignedIn, User, UserClient, UserSession

#: how seldom the last use is written
COARSE = timedelta(minutes=1)
#: how long a session waits for the second factor
_FOR_CODE = timedelta(minutes=10)

_BEGIN = """
INSERT INTO user_sessions (token_hash, user_id, created_at, last_seen_at, expires_at, ends_at, needs_totp, address,
                           agent)
VALUES (%(hash)b, %(user)s, %(now)s, %(now)s, %(expires)s, %(ends)s, %(totp)s, %(address)s, %(agent)s)
"""


def begin(
    conn: Connection, user: User, client: UserClient, now: datetime, idle: timedelta, length: timedelta
) -> SignedIn:
    """Begin a session, which ends when it is not used for `idle`, or after `length`; return it with its new token."""
    token = secrets.token_urlsafe(TOKEN_SIZE)
    params = {"hash": token_hash(token), "user": user.id, "now": now, "totp": user.has_totp}
    params |= {"expires": now + (_FOR_CODE if user.has_totp else min(idle, length)), "ends": now + length}
    params |= {"address": client.address, "agent": family(client.agent)}
    conn.exec_driver_sql(_BEGIN, params)
    users.set_last_sign_in(conn, user.id, now)
    return _signed_in(conn, token, now)


def _signed_in(conn: Connection, token: str, now: datetime) -> SignedIn:
    session = find(conn, token, now)
    assert session is not None
    return SignedIn(token, session)


_FIND = f"""
SELECT s.id AS session_id, s.created_at, s.last_seen_at, s.expires_at, s.needs_totp, {users.COLUMNS}
FROM user_sessions AS s JOIN users AS u ON u.id = s.user_id LEFT JOIN accounts AS a ON a.id = u.account_id
WHERE s.token_hash = %(hash)b AND s.expires_at > %(now)s AND u.disabled_at IS NULL
"""


def find(conn: Connection, token: str, now: datetime) -> UserSession | None:
    """Return the session of that token; None: there is none, it has ended, or its user is disabled."""
    row = conn.exec_driver_sql(_FIND, {"hash": token_hash(token), "now": now}).one_or_none()
    if row is None:
        return None
    return UserSession(
        id=row.session_id,
        user=users.read(row, has_rights=not row.needs_totp),
        csrf_token=csrf_token(token),
        started_at=row.created_at,
        seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        needs_totp=row.needs_totp,
    )


_USE = """
UPDATE user_sessions SET last_seen_at = %(now)s, expires_at = least(%(now)s + %(idle)s, ends_at)
WHERE id = %(id)s AND last_seen_at <= %(before)s AND NOT needs_totp
"""


def use(conn: Connection, session: int, now: datetime, idle: timedelta) -> None:
    """Put off the end of a session that is in use, unless that was done within a minute."""
    conn.exec_driver_sql(_USE, {"id": session, "now": now, "idle": idle, "before": now - COARSE})


_CONFIRM = """
UPDATE user_sessions
SET token_hash = %(hash)b, needs_totp = false, last_seen_at = %(now)s, expires_at = least(%(now)s + %(idle)s, ends_at)
WHERE id = %(id)s AND needs_totp
"""


def confirm(conn: Connection, session: int, now: datetime, idle: timedelta) -> SignedIn | None:
    """Record that a session's second factor was shown; return it with its new token, or None when it has ended."""
    token = secrets.token_urlsafe(TOKEN_SIZE)
    params = {"hash": token_hash(token), "id": session, "now": now, "idle": idle}
    return _signed_in(conn, token, now) if conn.exec_driver_sql(_CONFIRM, params).rowcount else None


_WRONG = "UPDATE user_sessions SET wrong_codes = wrong_codes + 1 WHERE id = %(id)s RETURNING wrong_codes"


def count_wrong_code(conn: Connection, session: int) -> int:
    """Count a wrong one-time code; return how many there were in this session, 0 when it has ended."""
    return conn.exec_driver_sql(_WRONG, {"id": session}).scalar() or 0


_END = "DELETE FROM user_sessions WHERE id = %(id)s AND user_id = %(user)s"
_END_ALL = "DELETE FROM user_sessions WHERE user_id = %(user)s AND id IS DISTINCT FROM %(but)s::int8"


def end(conn: Connection, user: int, session: int) -> bool:
    """End a session of a user; return False when he has no such session."""
    return conn.exec_driver_sql(_END, {"id": session, "user": user}).rowcount == 1


def end_all(conn: Connection, user: int, but: int | None = None) -> int:
    """End the sessions of a user, all or all but one; return how many."""
    return conn.exec_driver_sql(_END_ALL, {"user": user, "but": but}).rowcount


_LISTING = """
SELECT id, created_at AS started_at, last_seen_at AS seen_at, expires_at, address, agent
FROM user_sessions WHERE user_id = %(user)s AND expires_at > %(now)s ORDER BY last_seen_at DESC, id DESC
"""


def listing(conn: Connection, user: int, now: datetime) -> list[SessionView]:
    """Return the sessions of a user, the one used last first."""
    rows: Any = conn.exec_driver_sql(_LISTING, {"user": user, "now": now}).mappings()
    return [SessionView(**row) for row in rows]


_PRUNE = """
DELETE FROM user_sessions WHERE id = ANY(ARRAY(
    SELECT id FROM user_sessions WHERE expires_at <= %(now)s ORDER BY expires_at LIMIT %(limit)s
))
"""


def prune(conn: Connection, now: datetime, limit: int) -> int:
    """Delete up to `limit` sessions that have ended; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"now": now, "limit": limit}).rowcount
