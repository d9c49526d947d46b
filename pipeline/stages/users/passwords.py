"""Passwords, as users change their own."""

import math

from pipeline.rules.identity import passwords
from pipeline.runtime import Runtime
from pipeline.store import login_links, sign_in_limits, user_sessions, users
from pipeline.store.api import rate_limits
from schema.user import SignInDenied, UserClient, UserSession


def change_password(
    rt: Runtime, session: UserSession, present: str, new: str, client: UserClient
) -> SignInDenied | None:
    """Change a user's own password, if he shows the present one; his other sessions and his links end.

    Who has none yet shows any. InvalidInput: the new one is too short, or easily guessed.
    """
    user = session.user
    passwords.check_password(new, user.name)
    [refused] = rate_limits.take(rt.valkey, [sign_in_limits.of_password(rt.vault, user.name, client.address)])
    if refused:
        return SignInDenied(math.ceil(refused.wait))
    with rt.read_only() as conn:
        stored = users.named(conn, user.name).password_hash
    if stored and not rt.passwords.matches(present, stored):
        return SignInDenied()
    changed = rt.passwords.hash(new)
    with rt.begin() as conn:
        found = users.lock(conn, user.id)
        if found.is_disabled or found.password_hash != stored:  # changed meanwhile
            return SignInDenied()
        users.set_password_hash(conn, user.id, changed)
        user_sessions.end_all(conn, user.id, but=session.id)
        login_links.drop(conn, user.id)
    return None


def set_password(rt: Runtime, name: str, password: str) -> None:
    """Set a user's password at the command line; all his sessions and links end. NotFound, InvalidInput."""
    with rt.read_only() as conn:
        user = users.named(conn, name).user
    passwords.check_password(password, user.name)
    changed = rt.passwords.hash(password)
    with rt.begin() as conn:
        users.set_password_hash(conn, user.id, changed)
        user_sessions.end_all(conn, user.id)
        login_links.drop(conn, user.id)
