"""Changed passwords, and one-time links to sign in or to set a password."""

import pytest

from pipeline.errors import Conflict, InvalidInput, NotFound
from pipeline.stages.hourly_maintenance import maintain
from pipeline.stages.users.login_links import make_link, purpose_of, redeem_link
from pipeline.stages.users.passwords import change_password, set_password
from pipeline.stages.users.sign_in import sign_in
from pipeline.stages.users.totp import set_up_totp
from pipeline.stages.users.user_sessions import session_of
from pipeline.stages.users.users import create_user, disable_user
from schema.user import SignedIn, SignInDenied, User, UserClient
from schema.vocabulary import LinkPurpose, Role
from tests.world import World

PASSWORD, ANOTHER = "lemon tree at nine", "orange tree at ten"
HOME = UserClient("203.0.113.7")


@pytest.fixture
def ada(world: World) -> User:
    return create_user(world.rt, "ada", [Role.SUPPORT], password=PASSWORD)


def begin(world: World, password: str = PASSWORD) -> SignedIn:
    begun = sign_in(world.rt, "ada", password, HOME)
    assert isinstance(begun, SignedIn)
    return begun


def test_a_changed_password_ends_the_other_sessions_and_links(world: World, ada: User) -> None:
    one, other = begin(world), begin(world)
    link = make_link(world.rt, "ada", LinkPurpose.SIGN_IN)

    assert change_password(world.rt, one.session, PASSWORD, ANOTHER, HOME) is None

    assert session_of(world.rt, one.token)
    assert session_of(world.rt, other.token) is None
    assert purpose_of(world.rt, link.token) is None
    assert sign_in(world.rt, "ada", PASSWORD, HOME) == SignInDenied()
    begin(world, ANOTHER)


def test_a_password_is_changed_by_who_knows_it(world: World, ada: User) -> None:
    session = begin(world).session

    with pytest.raises(InvalidInput, match="at least 12"):
        change_password(world.rt, session, PASSWORD, "short", HOME)
    # one attempt was taken to sign in; more are allowed where these take long
    denied = [change_password(world.rt, session, f"guess {each}", ANOTHER, HOME) for each in range(40)]
    assert denied[:9] == [SignInDenied()] * 9
    assert any(each and each.retry_after for each in denied)
    assert isinstance(sign_in(world.rt, "ada", PASSWORD, UserClient("198.51.100.1")), SignedIn)


def test_who_signed_in_by_a_link_and_has_no_password_sets_one(world: World) -> None:
    create_user(world.rt, "ada", [Role.SUPPORT])
    link = make_link(world.rt, "ada", LinkPurpose.SIGN_IN)
    begun = redeem_link(world.rt, link.token, HOME)
    assert isinstance(begun, SignedIn)

    assert change_password(world.rt, begun.session, "", PASSWORD, HOME) is None

    begin(world)


def test_a_password_set_at_the_command_line_ends_all_sessions(world: World, ada: User) -> None:
    begun = begin(world)

    set_password(world.rt, "ADA", ANOTHER)

    assert session_of(world.rt, begun.token) is None
    begin(world, ANOTHER)
    with pytest.raises(NotFound):
        set_password(world.rt, "nobody", ANOTHER)


def test_a_link_signs_its_user_in_once(world: World, ada: User) -> None:
    link = make_link(world.rt, "ada", LinkPurpose.SIGN_IN)

    assert purpose_of(world.rt, link.token) is purpose_of(world.rt, link.token) is LinkPurpose.SIGN_IN
    begun = redeem_link(world.rt, link.token, HOME)

    assert isinstance(begun, SignedIn)
    assert begun.session.user == ada
    assert redeem_link(world.rt, link.token, HOME) == SignInDenied()
    assert purpose_of(world.rt, link.token) is None
    assert redeem_link(world.rt, "\ud800", HOME) == SignInDenied()


def test_a_link_to_set_a_password_holds_until_a_good_one_is_given(world: World, ada: User) -> None:
    before = begin(world)
    link = make_link(world.rt, "ada", LinkPurpose.SET_PASSWORD)

    for password in (None, "short", "password1234"):
        with pytest.raises(InvalidInput):
            redeem_link(world.rt, link.token, HOME, password=password)
    begun = redeem_link(world.rt, link.token, HOME, password=ANOTHER)

    assert isinstance(begun, SignedIn)
    assert session_of(world.rt, before.token) is None
    assert session_of(world.rt, begun.token)
    begin(world, ANOTHER)


def test_a_link_does_not_replace_the_second_factor(world: World, ada: User) -> None:
    set_up_totp(world.rt, ada, PASSWORD, HOME)
    world.run("UPDATE users SET totp_confirmed_at = now()")
    for purpose in LinkPurpose:
        link = make_link(world.rt, "ada", purpose)
        begun = redeem_link(world.rt, link.token, HOME, password=ANOTHER)

        assert isinstance(begun, SignedIn)
        assert begun.session.needs_totp
        assert begun.session.user.rights == set()


def test_a_new_link_replaces_the_one_before(world: World, ada: User) -> None:
    first, other, second = (
        make_link(world.rt, "ada", purpose)
        for purpose in (LinkPurpose.SIGN_IN, LinkPurpose.SET_PASSWORD, LinkPurpose.SIGN_IN)
    )

    assert purpose_of(world.rt, first.token) is None
    assert purpose_of(world.rt, second.token) is LinkPurpose.SIGN_IN
    assert purpose_of(world.rt, other.token) is LinkPurpose.SET_PASSWORD


def test_a_link_ends_after_its_time_and_is_deleted(world: World, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    link = make_link(world.rt, "ada", LinkPurpose.SIGN_IN)
    make_link(world.rt, "ada", LinkPurpose.SET_PASSWORD)

    monkeypatch.setattr(world.rt, "now", lambda: link.expires_at)
    assert redeem_link(world.rt, link.token, HOME) == SignInDenied()
    maintain(world.rt)

    assert world.rows("SELECT purpose FROM login_links") == ["set_password"]


def test_a_disabled_user_s_links_do_not_hold(world: World, ada: User) -> None:
    link = make_link(world.rt, "ada", LinkPurpose.SIGN_IN)

    disable_user(world.rt, "ada")

    assert redeem_link(world.rt, link.token, HOME) == SignInDenied()
    with pytest.raises(Conflict, match="is disabled"):
        make_link(world.rt, "ada", LinkPurpose.SIGN_IN)


def test_an_administrator_makes_links_for_the_users_of_his_account_and_none_for_himself(
    world: World, ada: User
) -> None:
    admin = create_user(world.rt, "ann", [Role.ADMIN], account="acme")
    create_user(world.rt, "bob", [Role.VIEWER], account="acme")

    with pytest.raises(NotFound):
        make_link(world.rt, "ada", LinkPurpose.SIGN_IN, by=admin)
    with pytest.raises(Conflict, match="for himself"):
        make_link(world.rt, "ann", LinkPurpose.SIGN_IN, by=admin)
    assert make_link(world.rt, "bob", LinkPurpose.SIGN_IN, by=admin).user == "bob"


def test_trying_links_from_one_network_is_stopped(world: World, ada: User) -> None:
    link = make_link(world.rt, "ada", LinkPurpose.SIGN_IN)
    tried = [redeem_link(world.rt, f"guess {each}", HOME) for each in range(90)]

    assert tried[:30] == [SignInDenied()] * 30
    assert any(isinstance(each, SignInDenied) and each.retry_after for each in tried)
    assert purpose_of(world.rt, link.token)


def test_making_and_using_a_link_is_entered_in_the_audit_log(world: World, ada: User) -> None:
    link = make_link(world.rt, "ada", LinkPurpose.SIGN_IN)
    redeem_link(world.rt, link.token, HOME)

    entries = world.rows(
        "SELECT actor_kind, actor, action, after ->> 'link', after ->> 'by' FROM audit_log"
        " WHERE subject_table = 'users' ORDER BY id"
    )[1:]
    assert [each[2:] for each in entries] == [("make link", "sign_in", None), ("sign in", None, "link")]
    assert entries[1][:2] == ("user", "ada")
