"""One-time links, by which a user signs in without a password, or sets one; made by an administrator or a command."""

import logging
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.errors import Conflict
from pipeline.rules.identity import passwords
from pipeline.runtime import Runtime, acting_as
from pipeline.store import audit_log, login_links, sign_in_limits, user_sessions, users
from pipeline.store.api import rate_limits
from schema.actor import Actor
from schema.user import SignedIn, SignInDenied, User, UserClient
from schema.vocabulary import ActorKind, LinkPurpose

log = logging.getLogger(__name__)

#: how long each kind of link holds
VALID = {LinkPurpose.SIGN_IN: timedelta(hours=1), LinkPurpose.SET_PASSWORD: timedelta(hours=24)}


@dataclass(frozen=True, slots=True)
class LoginLink:
    """A link that was made; its token is stored nowhere."""

    token: str = field(repr=False)
    user: str
    purpose: LinkPurpose
    expires_at: datetime


def make_link(rt: Runtime, name: str, purpose: LinkPurpose, *, by: User | None = None) -> LoginLink:
    """Make a one-time link for a user, in place of an earlier one for that purpose.

    `by`: the administrator who does it; one of an account does it for its users only. NotFound; Conflict: the user is
    disabled, or `by` is he himself.
    """
    expires_at = rt.now() + VALID[purpose]
    with rt.begin() as conn:
        found = users.named(conn, name, by)
        if found.is_disabled:
            raise Conflict(f"the user {found.user.name!r} is disabled: enable him first")
        if by and by.id == found.user.id:
            raise Conflict("another administrator must do this: nobody makes a link for himself")
        token = login_links.make(conn, found.user.id, purpose, expires_at)
        after = {"link": str(purpose), "expires_at": expires_at.isoformat()}
        audit_log.note(conn, "users", found.user.name, "make link", after, found.user.account_id)
    return LoginLink(token, found.user.name, purpose, expires_at)


def purpose_of(rt: Runtime, token: str) -> LinkPurpose | None:
    """Return what a link is for, and leave it valid: mail scanners open links too. None: it does not hold any more."""
    with rt.read_only() as conn:
        found = login_links.find(conn, token, rt.now())
    return found[1] if found else None


def redeem_link(rt: Runtime, token: str, client: UserClient, *, password: str | None = None) -> SignedIn | SignInDenied:
    """Use up a link: begin a session of its user, whose second factor is asked for, if he has one.

    A link to set a password requires one; the user's other sessions and links end. InvalidInput: that password is none,
    and the link holds still.
    """
    [refused] = rate_limits.take(rt.valkey, [sign_in_limits.of_link(rt.vault, client.address)])
    if refused:
        return SignInDenied(math.ceil(refused.wait))
    with rt.read_only() as conn:
        found = login_links.find(conn, token, rt.now())
    if found is None:
        log.warning("a link to sign in that does not hold was tried from %s", client.address)
        return SignInDenied()
    user, purpose = found
    hash_ = _password_hash(rt, user, password) if purpose is LinkPurpose.SET_PASSWORD else None
    return _redeem(rt, token, user, client, hash_) or SignInDenied()


def _password_hash(rt: Runtime, user: User, password: str | None) -> str:
    passwords.check_password(password or "", user.name)
    return rt.passwords.hash(password or "")


def _redeem(rt: Runtime, token: str, of: User, client: UserClient, hash_: str | None) -> SignedIn | None:
    """Use up the link and begin a session, unless it was used or the user was disabled meanwhile."""
    settings = rt.settings
    with acting_as(Actor(ActorKind.USER, of.name, client.address, "sign in")), rt.begin() as conn:
        found = users.lock(conn, of.id)
        if found.is_disabled or not login_links.use(conn, token):
            return None
        if hash_:
            users.set_password_hash(conn, of.id, hash_)
            user_sessions.end_all(conn, of.id)
            login_links.drop(conn, of.id)
        begun = user_sessions.begin(conn, found.user, client, rt.now(), settings.session_idle, settings.session_length)
        after = {"by": "link", "second_factor": found.user.has_totp}
        audit_log.note(conn, "users", of.name, "sign in", after, found.user.account_id)
    return begun
