"""Users of the console, as administrators and operators create them, give them roles and disable them.

`by` is the administrator who does it, None the command line: one of an account sees and changes its users only, and
none changes himself, so that the last one is not locked out by mistake.
"""

from collections.abc import Collection

from pipeline.errors import AlreadyExists, Conflict, require
from pipeline.rules.identity import passwords, user_names
from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts, login_links, user_sessions, users
from schema.user import User, UserView
from schema.vocabulary import Role


def create_user(
    rt: Runtime,
    name: str,
    roles: Collection[Role],
    *,
    account: str | None = None,
    password: str | None = None,
    time_zone: str | None = None,
    by: User | None = None,
) -> User:
    """Create a user of an account (None: an operator, or of the account of `by`); return him.

    Without a password he signs in by a link (`make_link`). InvalidInput: name, roles, password or time zone; NotFound:
    no such account; AlreadyExists: the name is taken.
    """
    spelt = user_names.check(name)
    _require_roles(roles)
    zone = user_names.check_time_zone(time_zone) if time_zone else None
    if password is not None:
        passwords.check_password(password, spelt)
    hash_ = None if password is None else rt.passwords.hash(password)
    if by and not by.is_operator:
        account = by.account
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id if account else None
        created = users.create(conn, spelt, owner, roles, hash_, zone)
        if created is None:
            raise AlreadyExists(f"there is a user {spelt!r} already")
        return users.lock(conn, created).user


def list_users(rt: Runtime, account: str | None = None) -> list[UserView]:
    """Return the users of an account (None: all users), operators first. NotFound: no such account."""
    with rt.read_only() as conn:
        return users.listing(conn, rt.now(), accounts.named(conn, account).id if account else None)


def set_roles(rt: Runtime, name: str, roles: Collection[Role], *, by: User | None = None) -> None:
    """Set the roles of a user; his sessions have them at once. NotFound, InvalidInput, Conflict."""
    _require_roles(roles)
    with rt.begin() as conn:
        users.set_roles(conn, _other(conn, name, by).id, roles)


def disable_user(rt: Runtime, name: str, *, by: User | None = None) -> None:
    """Disable a user: his sessions and links end at once. NotFound, Conflict."""
    with rt.begin() as conn:
        user = _other(conn, name, by)
        users.set_disabled(conn, user.id, True, rt.now())
        user_sessions.end_all(conn, user.id)
        login_links.drop(conn, user.id)


def enable_user(rt: Runtime, name: str, *, by: User | None = None) -> None:
    """Let a disabled user sign in again. NotFound, Conflict."""
    with rt.begin() as conn:
        users.set_disabled(conn, _other(conn, name, by).id, False, rt.now())


def set_time_zone(rt: Runtime, user: User, zone: str | None) -> None:
    """Set the time zone that pages show a user; None: his browser's. InvalidInput."""
    spelt = user_names.check_time_zone(zone) if zone else None
    with rt.begin() as conn:
        users.set_time_zone(conn, user.id, spelt)


def _require_roles(roles: Collection[Role]) -> None:
    require(roles, f"a user has at least one role: {', '.join(Role)}")


def _other(conn: Connection, name: str, by: User | None) -> User:
    user = users.named(conn, name, by).user
    if by and user.id == by.id:
        raise Conflict("another administrator must do this: nobody changes his own roles, or disables himself")
    return user
