"""The users table: users of the console with their roles, password hashes and second factors."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from pipeline.errors import NotFound
from pipeline.rules.identity import user_names
from pipeline.rules.identity.roles import rights_of
from schema.user import User, UserView
from schema.vocabulary import Role

#: what `read` needs, of u (users) and a (their accounts)
COLUMNS = """u.id AS user_id, u.name, u.account_id, a.name AS account, u.roles, u.time_zone,
       u.totp_confirmed_at IS NOT NULL AS has_totp"""


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user with what he proves himself by."""

    user: User
    #: None: no password
    password_hash: str | None = field(repr=False)
    #: secret of the second factor, encrypted; None: none
    sealed_totp: bytes | None = field(repr=False)
    is_disabled: bool


def read(row: Row[Any], *, has_rights: bool = True) -> User:
    """Return the user of a row with `COLUMNS`."""
    roles = frozenset(map(Role, row.roles))
    return User(
        id=row.user_id,
        name=row.name,
        account_id=row.account_id,
        account=row.account,
        roles=roles,
        rights=rights_of(roles, is_operator=row.account_id is None) if has_rights else frozenset(),
        time_zone=row.time_zone,
        has_totp=row.has_totp,
    )


_OF = f"""
SELECT {COLUMNS}, u.password_hash, u.sealed_totp, u.disabled_at IS NOT NULL AS is_disabled
FROM users AS u LEFT JOIN accounts AS a ON a.id = u.account_id
"""
_BY_NAME = f"{_OF} WHERE u.name = %(name)s"
_LOCK = f"{_OF} WHERE u.id = %(id)s FOR UPDATE OF u"


def find(conn: Connection, name: str) -> StoredUser | None:
    """Return the user of that name (in lower case), disabled or not; None: there is none."""
    row = conn.exec_driver_sql(_BY_NAME, {"name": name}).one_or_none()
    return _stored(row) if row else None


def named(conn: Connection, written: str, by: User | None = None) -> StoredUser:
    """Return the user of a name, for an administrator `by` who sees his account only (None: all users). NotFound."""
    name = user_names.read(written)
    found = find(conn, name) if name else None
    if found is None or not (by is None or by.is_operator or by.account_id == found.user.account_id):
        raise NotFound(f"there is no user {written!r}: `postroad user list` shows them")
    return found


def lock(conn: Connection, user: int) -> StoredUser:
    """Lock a user's row until the transaction ends; return it."""
    return _stored(conn.exec_driver_sql(_LOCK, {"id": user}).one())


def _stored(row: Row[Any]) -> StoredUser:
    return StoredUser(read(row), row.password_hash, row.sealed_totp, row.is_disabled)


_CREATE = """
INSERT INTO users (name, account_id, roles, password_hash, time_zone)
VALUES (%(name)s, %(account)s, %(roles)s, %(hash)s, %(zone)s) ON CONFLICT DO NOTHING RETURNING id
"""


def create(
    conn: Connection, name: str, account: int | None, roles: Collection[Role], hash_: str | None, zone: str | None
) -> int | None:
    """Create a user; return his id, or None when the name is taken."""
    params = {"name": name, "account": account, "roles": _words(roles), "hash": hash_, "zone": zone}
    created: int | None = conn.exec_driver_sql(_CREATE, params).scalar()
    return created


_SET_ROLES = "UPDATE users SET roles = %(roles)s WHERE id = %(id)s"


def set_roles(conn: Connection, user: int, roles: Collection[Role]) -> None:
    """Set a user's roles."""
    conn.exec_driver_sql(_SET_ROLES, {"id": user, "roles": _words(roles)})


_SET_DISABLED = """
UPDATE users SET disabled_at = CASE WHEN %(off)s THEN coalesce(disabled_at, %(now)s) END WHERE id = %(id)s
"""


def set_disabled(conn: Connection, user: int, off: bool, now: datetime) -> None:
    """Disable or enable a user."""
    conn.exec_driver_sql(_SET_DISABLED, {"id": user, "off": off, "now": now})


_SET_PASSWORD = "UPDATE users SET password_hash = %(hash)s WHERE id = %(id)s"  # noqa: S105 - a query


def set_password_hash(conn: Connection, user: int, hash_: str) -> None:
    """Set the hash of a user's password."""
    conn.exec_driver_sql(_SET_PASSWORD, {"id": user, "hash": hash_})


_SET_TIME_ZONE = "UPDATE users SET time_zone = %(zone)s WHERE id = %(id)s"


def set_time_zone(conn: Connection, user: int, zone: str | None) -> None:
    """Set the time zone that pages show a user."""
    conn.exec_driver_sql(_SET_TIME_ZONE, {"id": user, "zone": zone})


_SIGNED_IN = "UPDATE users SET last_sign_in_at = %(now)s WHERE id = %(id)s"


def set_last_sign_in(conn: Connection, user: int, now: datetime) -> None:
    """Record that a user signed in."""
    conn.exec_driver_sql(_SIGNED_IN, {"id": user, "now": now})


_SET_TOTP = """
UPDATE users SET sealed_totp = %(sealed)s, totp_confirmed_at = NULL, totp_step = NULL WHERE id = %(id)s
"""
_CONFIRM_TOTP = "UPDATE users SET totp_confirmed_at = %(now)s WHERE id = %(id)s AND totp_confirmed_at IS NULL"


def set_totp(conn: Connection, user: int, sealed: bytes | None) -> None:
    """Set the encrypted secret of a user's second factor, which is not in use until confirmed; None: remove it."""
    conn.exec_driver_sql(_SET_TOTP, {"id": user, "sealed": sealed})


def confirm_totp(conn: Connection, user: int, now: datetime) -> None:
    """Have a user's second factor be in use."""
    conn.exec_driver_sql(_CONFIRM_TOTP, {"id": user, "now": now})


_USE_STEP = """
UPDATE users SET totp_step = %(step)s WHERE id = %(id)s AND coalesce(totp_step, 0) < %(step)s
"""


def use_totp_step(conn: Connection, user: int, step: int) -> bool:
    """Use up the code of a time step and of all before it; return False when it was used up already."""
    return conn.exec_driver_sql(_USE_STEP, {"id": user, "step": step}).rowcount == 1


_LISTING = """
SELECT u.id, u.name, a.name AS account, u.roles, u.created_at, u.disabled_at, u.last_sign_in_at,
       u.password_hash IS NOT NULL AS has_password, u.totp_confirmed_at IS NOT NULL AS has_totp,
       (SELECT count(*) FROM user_sessions AS s WHERE s.user_id = u.id AND s.expires_at > %(now)s) AS sessions
FROM users AS u LEFT JOIN accounts AS a ON a.id = u.account_id
WHERE u.account_id = %(account)s OR %(account)s::int4 IS NULL
ORDER BY a.name NULLS FIRST, u.name
"""


def listing(conn: Connection, now: datetime, account: int | None = None) -> list[UserView]:
    """Return the users of an account (None: all users), operators first."""
    rows = conn.exec_driver_sql(_LISTING, {"now": now, "account": account}).mappings()
    return [UserView(**{**row, "roles": frozenset(map(Role, row["roles"]))}) for row in rows]


def _words(roles: Collection[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]
