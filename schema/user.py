"""Users of the console, their sessions, and what signing in returns."""

from dataclasses import dataclass, field
from datetime import datetime

from schema.vocabulary import Right, Role


@dataclass(frozen=True, slots=True)
class User:
    """A user of the console, with what he may do in this session."""

    id: int
    name: str
    #: the account that he belongs to and whose things alone he sees; None: an operator, who sees all accounts
    account_id: int | None
    account: str | None
    roles: frozenset[Role]
    #: none until he has shown his second factor, if he has one
    rights: frozenset[Right]
    #: IANA name of the time zone that pages show him; None: the browser's
    time_zone: str | None
    #: whether he must show a one-time code when he signs in
    has_totp: bool

    @property
    def is_operator(self) -> bool:
        """Return whether he sees all accounts."""
        return self.account_id is None

    def may(self, right: Right) -> bool:
        """Return whether he has a right."""
        return right in self.rights


@dataclass(frozen=True, slots=True)
class UserSession:
    """The session of a user who has signed in."""

    id: int
    user: User
    #: what his forms must contain; it does not reveal the session's token
    csrf_token: str = field(repr=False)
    started_at: datetime
    #: last use, to the minute
    seen_at: datetime
    #: when it ends, unless it is used before
    expires_at: datetime
    #: whether he still must show a one-time code (`confirm_totp`): until then he has no rights
    needs_totp: bool


@dataclass(frozen=True, slots=True)
class UserClient:
    """The browser that a user signs in with."""

    #: IP address
    address: str
    #: the header User-Agent
    agent: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that was begun, or that has become another by a second factor."""

    #: for the cookie; stored nowhere
    token: str = field(repr=False)
    session: UserSession


@dataclass(frozen=True, slots=True)
class SignInDenied:
    """A refused attempt: by its name, password or code, which it does not say, or by a limit."""

    #: seconds until the next attempt may succeed; None: at once
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as lists show it."""

    id: int
    started_at: datetime
    seen_at: datetime
    expires_at: datetime
    #: IP address it was begun from
    address: str
    #: browser and system, such as `Firefox on Linux`
    agent: str


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as lists show him."""

    id: int
    name: str
    account: str | None
    roles: frozenset[Role]
    created_at: datetime
    #: None: he may sign in
    disabled_at: datetime | None
    #: None: never
    last_sign_in_at: datetime | None
    has_password: bool
    has_totp: bool
    sessions: int
