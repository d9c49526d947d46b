"""Sign in to the console: by password, with limits, and what a session is."""

import re
from collections.abc import Callable
from datetime import timedelta
from hashlib import scrypt

import pytest
from pydantic import SecretStr

from pipeline import password_hashing
from pipeline.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit_log import list_changes
from pipeline.stages.hourly_maintenance import maintain
from pipeline.stages.users.sign_in import sign_in
from pipeline.stages.users.user_sessions import end_all_sessions, end_session, list_sessions, session_of
from pipeline.stages.users.users import create_user, disable_user, enable_user, list_users, set_roles, set_time_zone
from pipeline.store import user_sessions
from schema.user import SignedIn, SignInDenied, User, UserClient
from schema.vocabulary import Right, Role
from tests.world import World

PASSWORD = "lemon tree at nine"
HOME = UserClient("203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


@pytest.fixture
def ada(world: World) -> User:
    """Return an operator with the role of support."""
    return create_user(world.rt, "Ada", [Role.SUPPORT], password=PASSWORD)


def signed_in(rt: Runtime, name: str = "ada", password: str = PASSWORD, client: UserClient = HOME) -> SignedIn:
    found = sign_in(rt, name, password, client)
    assert isinstance(found, SignedIn)
    return found


def test_a_user_who_shows_his_password_has_a_session_with_the_rights_of_his_roles(world: World, ada: User) -> None:
    begun = signed_in(world.rt, " ADA ")

    session = session_of(world.rt, begun.token)
    assert session == begun.session
    assert session.user == ada
    assert (ada.name, ada.account, ada.is_operator, ada.has_totp) == ("ada", None, True, False)
    assert ada.may(Right.CANCEL_MESSAGES)
    assert not ada.may(Right.EDIT_CAMPAIGNS)
    assert not session.needs_totp
    assert [each.last_sign_in_at is not None for each in list_users(world.rt)] == [True]


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "another password"), ("ada", ""), ("nobody", PASSWORD), ("ada\0", PASSWORD), ("", ""), ("ada", "\ud800")],
)
def test_a_wrong_name_or_password_is_refused_without_saying_which(
    world: World, ada: User, name: str, password: str
) -> None:
    assert sign_in(world.rt, name, password, HOME) == SignInDenied()
    assert world.rows("SELECT count(*) FROM user_sessions") == [0]


def test_an_unknown_name_costs_as_much_work_as_a_wrong_password(
    world: World, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_user(world.rt, "linked", [Role.VIEWER])
    work: list[dict[str, int]] = []

    def counted(octets: bytes, *, salt: bytes, **cost: int) -> bytes:
        work.append(cost)
        return scrypt(octets, salt=salt, **cost)

    monkeypatch.setattr(password_hashing, "scrypt", counted)
    for name in ("ada", "nobody", "no name at all", "linked"):
        assert sign_in(world.rt, name, "another password", HOME) == SignInDenied()

    assert len(work) == 4
    assert all(each == work[0] for each in work)


def test_a_user_without_a_password_cannot_sign_in_by_one(world: World) -> None:
    create_user(world.rt, "ada", [Role.ADMIN])

    assert sign_in(world.rt, "ada", "", HOME) == SignInDenied()


def test_each_session_has_a_new_token_of_which_only_a_hash_is_stored(world: World, ada: User) -> None:
    one, other = signed_in(world.rt), signed_in(world.rt)

    stored = "".join(str(row) for row in world.rows("SELECT * FROM user_sessions"))
    assert one.token != other.token
    assert min(len(one.token), len(other.token)) >= 43
    assert one.session.csrf_token != other.session.csrf_token
    for secret in (one.token, other.token, one.session.csrf_token):
        assert secret not in stored
        assert secret not in repr(one) + repr(other)


def test_a_token_that_was_not_given_out_has_no_session(world: World, ada: User) -> None:
    begun = signed_in(world.rt)

    for token in ("", begun.token + "x", begun.token[:-1], "\ud800", "x" * 10_000):
        assert session_of(world.rt, token) is None


def test_a_session_that_is_not_used_for_eight_hours_ends(
    world: World, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = signed_in(world.rt)
    began = world.rt.now()

    monkeypatch.setattr(world.rt, "now", lambda: began + timedelta(hours=7, minutes=59))
    polled = session_of(world.rt, begun.token, is_use=False)
    assert polled
    assert polled.expires_at == begun.session.expires_at
    assert session_of(world.rt, begun.token)
    monkeypatch.setattr(world.rt, "now", lambda: began + timedelta(hours=15))
    assert session_of(world.rt, begun.token, is_use=False)
    monkeypatch.setattr(world.rt, "now", lambda: began + timedelta(hours=16))
    assert session_of(world.rt, begun.token) is None


def test_a_session_ends_after_three_days_however_much_it_is_used(
    world: World, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = signed_in(world.rt)
    began = world.rt.now()

    alive = []
    for hours in range(0, 76, 4):
        monkeypatch.setattr(world.rt, "now", lambda hours=hours: began + timedelta(hours=hours))
        alive.append(session_of(world.rt, begun.token) is not None)

    assert alive == [True] * 18 + [False]


def test_the_last_use_of_a_session_is_written_once_a_minute(
    world: World, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = signed_in(world.rt)
    began = world.rt.now()
    writes = "SELECT xmin::text FROM user_sessions"
    first = world.rows(writes)

    monkeypatch.setattr(world.rt, "now", lambda: began + timedelta(seconds=50))
    assert session_of(world.rt, begun.token)
    assert world.rows(writes) == first
    monkeypatch.setattr(world.rt, "now", lambda: began + timedelta(seconds=70))
    used = session_of(world.rt, begun.token)
    again = world.rows(writes)
    assert again != first
    assert session_of(world.rt, begun.token)
    assert used
    assert world.rows(writes) == again


def test_changed_roles_apply_to_sessions_at_once(world: World, ada: User) -> None:
    begun = signed_in(world.rt)

    set_roles(world.rt, "ada", [Role.VIEWER, Role.FINANCE])

    session = session_of(world.rt, begun.token)
    assert session
    assert session.user.roles == {Role.VIEWER, Role.FINANCE}
    assert not session.user.may(Right.CANCEL_MESSAGES)


def test_a_disabled_user_has_no_session_and_cannot_sign_in(world: World, ada: User) -> None:
    begun = signed_in(world.rt)

    disable_user(world.rt, "ADA")

    assert session_of(world.rt, begun.token) is None
    assert sign_in(world.rt, "ada", PASSWORD, HOME) == SignInDenied()
    enable_user(world.rt, "ada")
    assert session_of(world.rt, begun.token) is None
    signed_in(world.rt)


def test_a_user_sees_his_sessions_and_ends_one_or_all(world: World, ada: User) -> None:
    create_user(world.rt, "ben", [Role.VIEWER], password=PASSWORD)
    other = signed_in(world.rt, "ben")
    one, two, three = (signed_in(world.rt) for _ in range(3))

    listed = list_sessions(world.rt, ada)
    end_session(world.rt, ada, one.session.id)
    with pytest.raises(NotFound):
        end_session(world.rt, ada, one.session.id)
    with pytest.raises(NotFound):
        end_session(world.rt, ada, other.session.id)
    assert end_all_sessions(world.rt, "ada", but=three.session.id) == 1

    assert [each.id for each in listed] == [three.session.id, two.session.id, one.session.id]
    assert {(each.address, each.agent) for each in listed} == {("203.0.113.7", "Firefox on Linux")}
    assert [session_of(world.rt, each.token) is not None for each in (one, two, three, other)] == [
        *(False, False, True, True)
    ]


def attempts_until_stopped(attempt: Callable[[int], SignedIn | SignInDenied]) -> int:
    """Return how many attempts fail before one is refused for their number; more, if they take long."""
    for number in range(200):
        outcome = attempt(number)
        assert isinstance(outcome, SignInDenied)
        if outcome.retry_after is not None:
            assert outcome.retry_after > 0
            return number
    raise AssertionError("no attempt was refused")


def test_guessing_a_password_is_stopped_after_ten_attempts(world: World, ada: User) -> None:
    assert attempts_until_stopped(lambda each: sign_in(world.rt, "ada", f"guess number {each}", HOME)) >= 10

    # who is elsewhere is not locked out by it
    signed_in(world.rt, client=UserClient("198.51.100.1"))


def test_trying_names_from_one_network_is_stopped_though_its_addresses_change(world: World, ada: User) -> None:
    def attempt(number: int) -> SignedIn | SignInDenied:
        return sign_in(world.rt, f"user{number}", "a common password", UserClient(f"2001:db8::{number:x}"))

    assert attempts_until_stopped(attempt) >= 30

    signed_in(world.rt, client=UserClient("2001:db8:0:1::1"))


def test_guessing_is_stopped_while_valkey_is_away(settings: Settings, world: World, ada: User) -> None:
    alone = Runtime(settings.model_copy(update={"valkey_url": SecretStr("redis://127.0.0.1:1/0")}))
    try:
        made = attempts_until_stopped(lambda each: sign_in(alone, "ada", f"guess number {each}", HOME))
    finally:
        alone.close()

    assert made >= 5


def test_a_password_hashed_with_less_work_is_hashed_anew_at_the_next_sign_in(
    settings: Settings, world: World, ada: User
) -> None:
    [before] = world.rows("SELECT password_hash FROM users")
    raised = Runtime(settings.model_copy(update={"password_log_n": 11}))
    try:
        signed_in(raised)
        [after] = world.rows("SELECT password_hash FROM users")
        signed_in(raised)
    finally:
        raised.close()

    assert re.match(r"scrypt\$10\$8\$3\$", before)
    assert re.match(r"scrypt\$11\$8\$3\$", after)
    assert world.rows("SELECT password_hash FROM users") == [after]
    signed_in(world.rt)
    assert world.rows("SELECT password_hash FROM users") == [after]


def test_users_of_an_account_are_limited_to_it(world: World) -> None:
    admin = create_user(world.rt, "ann", [Role.ADMIN], account="acme")
    create_user(world.rt, "root", [Role.ADMIN])
    made = create_user(world.rt, "bob", [Role.VIEWER], account="other", by=admin)

    assert (made.account, made.account_id, made.is_operator) == ("acme", world.account, False)
    assert not admin.may(Right.OPERATE_CARRIERS)
    set_roles(world.rt, "bob", [Role.SUPPORT], by=admin)
    for change in (
        lambda: disable_user(world.rt, "root", by=admin),
        lambda: enable_user(world.rt, "root", by=admin),
        lambda: set_roles(world.rt, "root", [Role.VIEWER], by=admin),
        lambda: end_all_sessions(world.rt, "root", by=admin),
    ):
        with pytest.raises(NotFound, match="there is no user 'root'"):
            change()
    assert [(each.name, each.account) for each in list_users(world.rt)] == [
        ("root", None),
        ("ann", "acme"),
        ("bob", "acme"),
    ]
    assert [each.name for each in list_users(world.rt, "acme")] == ["ann", "bob"]


def test_nobody_changes_his_own_roles_or_disables_himself(world: World) -> None:
    admin = create_user(world.rt, "ann", [Role.ADMIN])

    with pytest.raises(Conflict, match="another administrator"):
        set_roles(world.rt, "ann", [Role.VIEWER], by=admin)
    with pytest.raises(Conflict, match="another administrator"):
        disable_user(world.rt, "ann", by=admin)


def test_a_user_is_created_with_a_free_name_a_role_and_a_good_password(world: World, ada: User) -> None:
    with pytest.raises(AlreadyExists):
        create_user(world.rt, "ADA", [Role.VIEWER])
    with pytest.raises(InvalidInput, match="at least one role"):
        create_user(world.rt, "ben", [])
    with pytest.raises(InvalidInput, match="at least 12"):
        create_user(world.rt, "ben", [Role.VIEWER], password="short")
    with pytest.raises(NotFound):
        create_user(world.rt, "ben", [Role.VIEWER], account="nowhere")
    with pytest.raises(InvalidInput, match="no time zone"):
        create_user(world.rt, "ben", [Role.VIEWER], time_zone="Mars")
    set_time_zone(world.rt, ada, "Africa/Lagos")
    assert signed_in(world.rt).session.user.time_zone == "Africa/Lagos"


def test_signing_in_and_changes_of_users_are_entered_in_the_audit_log_without_secrets(world: World, ada: User) -> None:
    begun = signed_in(world.rt)
    set_roles(world.rt, "ada", [Role.VIEWER])
    disable_user(world.rt, "ada")

    found = list_changes(world.rt, world.rt.now() - timedelta(hours=1), 100, table="users")
    entries = [(each["actor_kind"], each["actor"], each["action"], each["after"]) for each in reversed(found)]
    assert [each["subject"] for each in found] == ["ada"] * 4
    created, *others, disabled = entries
    assert created[3]["password_hash"] == "…"
    assert others == [
        ("user", "ada", "sign in", {"by": "password", "second_factor": False}),
        ("system", "postroad", "update", {"roles": ["viewer"]}),
    ]
    assert list(disabled[3]) == ["disabled_at"]
    assert found[2]["origin"] == HOME.address
    [stored] = world.rows("SELECT password_hash FROM users")
    for secret in (PASSWORD, stored, begun.token):
        assert secret not in str(found)


def test_sessions_that_have_ended_are_deleted_by_maintenance(world: World, ada: User) -> None:
    ended, open_ = signed_in(world.rt), signed_in(world.rt)
    world.run("UPDATE user_sessions SET expires_at = now() WHERE id = %(id)s", id=ended.session.id)

    maintain(world.rt)

    assert world.rows("SELECT id FROM user_sessions") == [open_.session.id]


def test_a_session_is_found_by_its_index_however_many_there_are(world: World, ada: User) -> None:
    signed_in(world.rt)
    world.run(
        """
        INSERT INTO user_sessions (token_hash, user_id, created_at, last_seen_at, expires_at, ends_at, needs_totp,
                                   address, agent)
        SELECT sha256(n::text::bytea), user_id, created_at, last_seen_at, expires_at, ends_at, false, '', ''
        FROM user_sessions, generate_series(1, 5000) AS n
        """
    )
    world.run("ANALYZE user_sessions")

    with world.rt.begin() as conn:
        params = {"hash": b"x" * 32, "now": world.rt.now()}
        plan = "\n".join(conn.exec_driver_sql(f"EXPLAIN {user_sessions._FIND}", params).scalars())

    assert "user_sessions_token_hash_key" in plan
    assert "Seq Scan on user_sessions" not in plan
