"""The second factor: set up, shown at each sign-in, each code once, few guesses; and its removal."""

from base64 import b32decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import Conflict, NotFound
from pipeline.rules.identity import totp
from pipeline.stages.users.sign_in import sign_in
from pipeline.stages.users.totp import TotpSecret, confirm_totp, remove_totp, set_up_totp, start_totp, stop_totp
from pipeline.stages.users.user_sessions import session_of
from pipeline.stages.users.users import create_user, disable_user
from schema.user import SignedIn, SignInDenied, User, UserClient
from schema.vocabulary import Role
from tests.world import World

PASSWORD = "lemon tree at nine"
HOME = UserClient("203.0.113.7")
START = datetime(2026, 11, 30, 12, tzinfo=UTC)


@dataclass
class Phone:
    """A user's app, and the time."""

    world: World
    secret: bytes = b""
    now: datetime = START

    def code(self, steps: int = 0) -> str:
        """Return the code of now, or of some steps later."""
        return totp.code_at(self.secret, totp.step_at(self.now) + steps)

    def wrong(self) -> str:
        """Return a code that is none of these minutes."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in map("{:06}".format, range(10)) if code not in near)

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def begin(self) -> SignedIn:
        """Sign in by password."""
        begun = sign_in(self.world.rt, "ada", PASSWORD, HOME)
        assert isinstance(begun, SignedIn)
        return begun

    def make_secret(self, user: User) -> None:
        """Take a new secret, by the password."""
        made = set_up_totp(self.world.rt, user, PASSWORD, HOME)
        assert isinstance(made, TotpSecret)
        self.secret = b32decode(made.spelt)

    def set_up(self) -> SignedIn:
        """Set up a second factor, in a session that is returned."""
        begun = self.begin()
        self.make_secret(begun.session.user)
        assert start_totp(self.world.rt, begun.session, self.code()) is None
        self.wait(seconds=30)
        return begun


@pytest.fixture
def phone(world: World, monkeypatch: pytest.MonkeyPatch) -> Phone:
    """Return the app of the user ada, who has no second factor yet."""
    app = Phone(world)
    monkeypatch.setattr(world.rt, "now", lambda: app.now)
    create_user(world.rt, "ada", [Role.SUPPORT], password=PASSWORD)
    return app


def test_with_a_second_factor_a_session_has_no_rights_before_its_code(world: World, phone: Phone) -> None:
    phone.set_up()

    begun = phone.begin()
    assert begun.session.needs_totp
    assert begun.session.user.rights == set()
    assert sign_in(world.rt, "ada", "another password", HOME) == SignInDenied()
    confirmed = confirm_totp(world.rt, begun.token, phone.code())

    assert isinstance(confirmed, SignedIn)
    assert not confirmed.session.needs_totp
    assert confirmed.session.user.rights
    assert confirmed.token != begun.token
    assert session_of(world.rt, begun.token) is None
    assert session_of(world.rt, confirmed.token) == confirmed.session


def test_a_second_factor_is_set_up_by_the_password_and_not_by_a_session_alone(world: World, phone: Phone) -> None:
    begun = phone.begin()

    assert set_up_totp(world.rt, begun.session.user, "another password", HOME) == SignInDenied()
    assert world.rows("SELECT sealed_totp FROM users WHERE name = 'ada'") == [None]
    guessed = [set_up_totp(world.rt, begun.session.user, "another password", HOME) for _ in range(10)]
    last = guessed[-1]

    assert isinstance(last, SignInDenied)
    assert last.retry_after
    assert isinstance(set_up_totp(world.rt, begun.session.user, PASSWORD, UserClient("198.51.100.7")), TotpSecret)


def test_each_code_counts_once(world: World, phone: Phone) -> None:
    phone.set_up()
    one, other = phone.begin(), phone.begin()

    assert isinstance(confirm_totp(world.rt, one.token, phone.code()), SignedIn)
    assert confirm_totp(world.rt, other.token, phone.code()) == SignInDenied()
    assert confirm_totp(world.rt, other.token, phone.code(-1)) == SignInDenied()
    assert isinstance(confirm_totp(world.rt, other.token, phone.code(1)), SignedIn)


def test_guessing_codes_is_stopped_after_five_attempts(world: World, phone: Phone) -> None:
    phone.set_up()  # by the first of them
    begun = phone.begin()

    assert [confirm_totp(world.rt, begun.token, phone.wrong()) for _ in range(4)] == [SignInDenied()] * 4
    refused = confirm_totp(world.rt, begun.token, phone.code())

    assert isinstance(refused, SignInDenied)
    assert refused.retry_after
    assert 0 < refused.retry_after <= 300
    assert session_of(world.rt, begun.token)


def test_a_fifth_wrong_code_ends_the_session(world: World, phone: Phone) -> None:
    phone.set_up()
    begun, other = phone.begin(), phone.begin()
    world.run("UPDATE user_sessions SET wrong_codes = 3 WHERE id = %(id)s", id=begun.session.id)

    assert confirm_totp(world.rt, begun.token, phone.wrong()) == SignInDenied()
    assert session_of(world.rt, begun.token)
    assert confirm_totp(world.rt, begun.token, phone.wrong()) == SignInDenied()

    assert session_of(world.rt, begun.token) is None
    assert session_of(world.rt, other.token)


def test_a_session_waits_ten_minutes_for_its_code(world: World, phone: Phone) -> None:
    phone.set_up()
    begun = phone.begin()

    phone.wait(minutes=9)
    assert session_of(world.rt, begun.token)
    phone.wait(minutes=1)

    assert session_of(world.rt, begun.token) is None
    assert confirm_totp(world.rt, begun.token, phone.code()) == SignInDenied()


def test_a_code_confirms_only_a_session_that_waits_for_one(world: World, phone: Phone) -> None:
    session = phone.set_up()
    waiting = phone.begin()
    disable_user(world.rt, "ada")

    for token in ("", session.token, waiting.token):
        assert confirm_totp(world.rt, token, phone.code()) == SignInDenied()


def test_a_second_factor_is_not_in_use_before_a_code_was_shown(world: World, phone: Phone) -> None:
    begun, other = phone.begin(), phone.begin()
    phone.make_secret(begun.session.user)

    assert start_totp(world.rt, begun.session, phone.wrong()) == SignInDenied()
    assert not phone.begin().session.needs_totp
    assert session_of(world.rt, other.token)
    assert start_totp(world.rt, begun.session, phone.code()) is None

    # sessions that were begun without it end
    assert session_of(world.rt, other.token) is None
    kept = session_of(world.rt, begun.token)
    assert kept
    assert kept.user.has_totp
    with pytest.raises(Conflict, match="in use"):
        set_up_totp(world.rt, kept.user, PASSWORD, HOME)
    with pytest.raises(Conflict, match="in use"):
        start_totp(world.rt, kept, phone.code(1))


def test_a_user_removes_his_second_factor_by_a_code_of_it(world: World, phone: Phone) -> None:
    session = phone.set_up().session

    assert stop_totp(world.rt, session.user, phone.wrong()) == SignInDenied()
    assert stop_totp(world.rt, session.user, phone.code()) is None

    assert not phone.begin().session.needs_totp


def test_an_administrator_removes_the_second_factor_of_a_user_of_his(world: World, phone: Phone) -> None:
    phone.set_up()
    admin = create_user(world.rt, "ann", [Role.ADMIN], account="acme")

    with pytest.raises(NotFound):
        remove_totp(world.rt, "ada", by=admin)
    remove_totp(world.rt, "Ada")
    with pytest.raises(Conflict, match="has no second factor"):
        remove_totp(world.rt, "ada")

    assert not phone.begin().session.needs_totp


def test_no_secret_is_stored_in_plain_text_or_entered_in_the_audit_log(world: World, phone: Phone) -> None:
    phone.set_up()

    stored = world.rows("SELECT u::text FROM users AS u") + world.rows("SELECT l::text FROM audit_log AS l")
    assert not any(phone.secret.hex() in each for each in stored)
    assert not any(totp.spelt(phone.secret) in each for each in stored)
