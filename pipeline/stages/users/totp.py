"""The second factor: one-time codes of an app (RFC 6238), as users set one up, show its codes, and remove it."""

import logging
import math
import secrets
from dataclasses import dataclass, field

from pipeline.errors import Conflict
from pipeline.rules.identity import totp
from pipeline.runtime import Connection, Runtime
from pipeline.store import sign_in_limits, user_sessions, users
from pipeline.store.api import rate_limits
from pipeline.store.users import StoredUser
from schema.user import SignedIn, SignInDenied, User, UserClient, UserSession

log = logging.getLogger(__name__)

#: purpose that secrets are encrypted for
PURPOSE = "totp"
#: whose codes these are, in the user's app
_ISSUER = "Postroad"
#: wrong codes after which a session that waits for one ends
_WRONG = 5


@dataclass(frozen=True, slots=True)
class TotpSecret:
    """A new secret, for the user's app; not in use until a code of it is shown."""

    #: to type (Base32)
    spelt: str = field(repr=False)
    #: to scan (`otpauth://`)
    uri: str = field(repr=False)


def confirm_totp(rt: Runtime, token: str, code: str) -> SignedIn | SignInDenied:
    """Give the session of a token its rights, if the code is its user's; it has another token then.

    Each code counts once. After five wrong codes the session ends: the password must be shown again.
    """
    now = rt.now()
    with rt.read_only() as conn:
        session = user_sessions.find(conn, token, now)
    if session is None or not session.needs_totp:
        return SignInDenied()
    denied = _limited(rt, session.user)
    if denied:
        return denied
    with rt.begin() as conn:
        if not _is_code_of(rt, conn, users.lock(conn, session.user.id), code):
            _count(conn, session)
            return SignInDenied()
        confirmed = user_sessions.confirm(conn, session.id, now, rt.settings.session_idle)
    return confirmed or SignInDenied()


def _count(conn: Connection, session: UserSession) -> None:
    log.warning("a wrong one-time code of %s", session.user.name)
    if user_sessions.count_wrong_code(conn, session.id) >= _WRONG:
        user_sessions.end(conn, session.user.id, session.id)


def set_up_totp(rt: Runtime, user: User, password: str, client: UserClient) -> TotpSecret | SignInDenied:
    """Make a new secret for the app of a user who shows his password; who has none yet shows any.

    It is in use once `start_totp` got a code of it. Conflict: he has one in use.
    """
    [refused] = rate_limits.take(rt.valkey, [sign_in_limits.of_password(rt.vault, user.name, client.address)])
    if refused:
        return SignInDenied(math.ceil(refused.wait))
    with rt.read_only() as conn:
        stored = users.named(conn, user.name).password_hash
    if stored and not rt.passwords.matches(password, stored):
        return SignInDenied()
    secret = secrets.token_bytes(totp.SECRET_SIZE)
    with rt.begin() as conn:
        found = users.lock(conn, user.id)
        if found.password_hash != stored:  # changed meanwhile
            return SignInDenied()
        if found.user.has_totp:
            raise Conflict("a second factor is in use: remove it first")
        users.set_totp(conn, user.id, rt.vault.seal(PURPOSE, secret))
    return TotpSecret(totp.spelt(secret), totp.uri(secret, user.name, _ISSUER))


def start_totp(rt: Runtime, session: UserSession, code: str) -> SignInDenied | None:
    """Have the secret that was set up be in use, if the code is of it; the user's other sessions end."""
    if denied := _limited(rt, session.user):
        return denied
    with rt.begin() as conn:
        found = users.lock(conn, session.user.id)
        if found.user.has_totp:
            raise Conflict("a second factor is in use already")
        if not _is_code_of(rt, conn, found, code):
            return SignInDenied()
        users.confirm_totp(conn, found.user.id, rt.now())
        user_sessions.end_all(conn, found.user.id, but=session.id)
    return None


def stop_totp(rt: Runtime, user: User, code: str) -> SignInDenied | None:
    """Remove a user's own second factor, if the code is of it."""
    if denied := _limited(rt, user):
        return denied
    with rt.begin() as conn:
        found = users.lock(conn, user.id)
        if not _is_code_of(rt, conn, found, code):
            return SignInDenied()
        users.set_totp(conn, user.id, None)
    return None


def remove_totp(rt: Runtime, name: str, *, by: User | None = None) -> None:
    """Remove the second factor of a user who has lost his app.

    `by`: the administrator who does it; one of an account does it for its users only. NotFound; Conflict: he has none.
    """
    with rt.begin() as conn:
        found = users.named(conn, name, by)
        if found.sealed_totp is None:
            raise Conflict(f"the user {found.user.name!r} has no second factor")
        users.set_totp(conn, found.user.id, None)


def _limited(rt: Runtime, user: User) -> SignInDenied | None:
    """Take an attempt at a user's codes."""
    [refused] = rate_limits.take(rt.valkey, [sign_in_limits.of_code(rt.vault, user.id)])
    return SignInDenied(math.ceil(refused.wait)) if refused else None


def _is_code_of(rt: Runtime, conn: Connection, found: StoredUser, code: str) -> bool:
    """Tell whether it is a code of a user's secret that was not used yet, and use it up."""
    if found.is_disabled or found.sealed_totp is None:
        return False
    step = totp.step_of(rt.vault.open(PURPOSE, found.sealed_totp), code, rt.now())
    return step is not None and users.use_totp_step(conn, found.user.id, step)
