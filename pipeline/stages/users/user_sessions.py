"""Sessions of the console's users: read at each request, listed and ended."""

from pipeline.errors import NotFound
from pipeline.runtime import Runtime
from pipeline.store import audit_log, user_sessions, users
from pipeline.store.user_sessions import COARSE
from schema.user import SessionView, User, UserSession


def session_of(rt: Runtime, token: str, *, is_use: bool = True) -> UserSession | None:
    """Return the session of a token; None: there is none, it has ended, or its user is disabled.

    `is_use`: whether this puts off its end; a page that polls by itself does not.
    """
    now = rt.now()
    with rt.read_only() as conn:
        session = user_sessions.find(conn, token, now)
    if session and is_use and not session.needs_totp and now - session.seen_at >= COARSE:
        with rt.begin() as conn:
            user_sessions.use(conn, session.id, now, rt.settings.session_idle)
    return session


def list_sessions(rt: Runtime, user: User) -> list[SessionView]:
    """Return the sessions of a user, the one used last first."""
    with rt.read_only() as conn:
        return user_sessions.listing(conn, user.id, rt.now())


def end_session(rt: Runtime, user: User, session: int) -> None:
    """End a session of a user: sign out. NotFound: he has no such session."""
    with rt.begin() as conn:
        if not user_sessions.end(conn, user.id, session):
            raise NotFound("this session has ended already")
        audit_log.note(conn, "users", user.name, "end session", {"sessions ended": 1}, user.account_id)


def end_all_sessions(rt: Runtime, name: str, *, but: int | None = None, by: User | None = None) -> int:
    """End all sessions of a user, or all but one; return how many.

    `by`: the administrator who does it; one of an account ends those of its users only. NotFound.
    """
    with rt.begin() as conn:
        user = users.named(conn, name, by).user
        ended = user_sessions.end_all(conn, user.id, but)
        audit_log.note(conn, "users", user.name, "end sessions", {"sessions ended": ended}, user.account_id)
    return ended
