"""Sign in: begin a session of the console for a user who shows his password."""

import logging
import math

from pipeline.rules.identity import user_names
from pipeline.runtime import Runtime, acting_as
from pipeline.store import audit_log, sign_in_limits, user_sessions, users
from pipeline.store.api import rate_limits
from pipeline.store.users import StoredUser
from schema.actor import Actor
from schema.user import SignedIn, SignInDenied, UserClient
from schema.vocabulary import ActorKind

log = logging.getLogger(__name__)


def sign_in(rt: Runtime, name: str, password: str, client: UserClient) -> SignedIn | SignInDenied:
    """Begin a session, always with a new token; with a second factor, it has no rights until `confirm_totp`.

    A wrong name is refused as a wrong password is, after as much work. Attempts are limited by name and client.
    """
    wanted = user_names.read(name)
    takes = sign_in_limits.of_password(rt.vault, wanted or name, client.address)
    [refused] = rate_limits.take(rt.valkey, [takes])
    if refused:
        log.warning("an attempt to sign in from %s was refused: too many", client.address)
        return SignInDenied(math.ceil(refused.wait))
    with rt.read_only() as conn:
        found = users.find(conn, wanted) if wanted else None
    is_his = rt.passwords.matches(password, found.password_hash if found else None)
    if not is_his or found is None or found.is_disabled:
        log.warning("an attempt to sign in as %s from %s failed", wanted if found else "nobody known", client.address)
        return SignInDenied()
    return _begin(rt, found, password, client) or SignInDenied()


def _begin(rt: Runtime, shown: StoredUser, password: str, client: UserClient) -> SignedIn | None:
    """Begin the session, unless the user was disabled or his password changed meanwhile."""
    stored = shown.password_hash
    better = rt.passwords.hash(password) if stored and rt.passwords.is_outdated(stored) else None
    with acting_as(Actor(ActorKind.USER, shown.user.name, client.address, "sign in")), rt.begin() as conn:
        found = users.lock(conn, shown.user.id)
        if found.is_disabled or found.password_hash != stored:
            return None
        if better:
            users.set_password_hash(conn, found.user.id, better)
        settings = rt.settings
        begun = user_sessions.begin(conn, found.user, client, rt.now(), settings.session_idle, settings.session_length)
        after = {"by": "password", "second_factor": found.user.has_totp}
        audit_log.note(conn, "users", found.user.name, "sign in", after, found.user.account_id)
    return begun
