"""Who may see and do what in the console: sessions, CSRF tokens, rights, accounts, headers."""

from contextlib import closing
from http.client import HTTPConnection

import pytest

from pipeline.stages.admin.accounts import create_account
from schema.vocabulary import Role
from tests.workers.console.conftest import PASSWORD, Console, Visitor
from tests.world import message_ids


@pytest.fixture(scope="module")
def viewer(console: Console) -> str:
    return console.add_user("vera", Role.VIEWER)


@pytest.fixture(scope="module")
def support(console: Console) -> str:
    return console.add_user("sam", Role.SUPPORT)


@pytest.fixture(scope="module")
def message(console: Console) -> str:
    return str(message_ids(console.world.send("+2348031234567", body="Your code word is hyacinth"))[0])


def test_without_a_session_every_page_leads_to_the_sign_in_page(console: Console) -> None:
    visitor = console.visitor()

    answers = {path: visitor.get(path) for path in ("/", "/messages", "/profile")}
    poll = visitor.get("/overview", **{"HX-Request": "true"})

    assert {answer.status for answer in answers.values()} == {303}
    assert answers["/messages"].headers["location"] == "/sign-in?next=/messages"
    assert (poll.status, poll.headers["hx-redirect"], poll.text) == (401, "/sign-in", "")


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/sign-out", "/\tx"]
)
def test_signing_in_leads_to_no_other_host(console: Console, viewer: str, path: str) -> None:
    answer = console.visitor().post("/sign-in", name=viewer, password=PASSWORD, next=path)

    assert (answer.status, answer.headers["location"]) == (303, "/")


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(console: Console, viewer: str) -> None:
    wrong, unknown = (
        console.visitor().post("/sign-in", name=name, password="not the password") for name in (viewer, "nobody")
    )

    assert wrong.status == unknown.status == 403
    assert wrong.text.replace(viewer, "nobody") == unknown.text


def test_signing_in_makes_a_new_session_and_ends_the_one_before(console: Console, viewer: str) -> None:
    visitor = console.visitor()
    visitor.post("/sign-in", name=viewer, password=PASSWORD)
    [before] = [each.value for each in visitor.cookies]

    visitor.post("/sign-in", name=viewer, password=PASSWORD)

    [after] = [each.value for each in visitor.cookies]
    assert after != before
    stale = Visitor(console.url)
    assert stale.get("/", Cookie=f"postroad_session={before}").status == 303


def test_the_cookie_of_a_session_is_for_this_site_and_not_for_scripts(console: Console, viewer: str) -> None:
    answer = console.visitor().post("/sign-in", name=viewer, password=PASSWORD)

    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=lax" in attributes


def test_signing_out_ends_the_session(console: Console, viewer: str) -> None:
    visitor = console.visitor(viewer)

    visitor.post("/sign-out")

    assert visitor.get("/").headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, "guessed"),
        ({}, ""),
        ({"Origin": "https://evil.example"}, None),
        ({"Origin": "null"}, None),
        ({"Origin": "http://["}, None),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
    ],
)
def test_a_form_of_another_site_changes_nothing(
    console: Console, support: str, message: str, headers: dict[str, str], token: str | None
) -> None:
    visitor = console.visitor(support)
    visitor.csrf = visitor.csrf if token is None else token

    answer = visitor.post(f"/messages/{message}/reveal", headers=headers)

    assert answer.status == 403
    assert "hyacinth" not in answer.text


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_form_of_the_same_host_is_taken_also_where_a_proxy_has_ended_tls(
    console: Console, support: str, scheme: str
) -> None:
    origin = f"{scheme}://{console.url.removeprefix('http://')}"

    answer = console.visitor(support).post("/profile/sessions/end", headers={"Origin": origin})

    assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/profile")


def test_number_and_text_are_shown_to_those_who_may_see_them_and_that_is_logged(
    console: Console, viewer: str, support: str, message: str
) -> None:
    before = console.visitor(support)
    masked = before.get(f"/messages/{message}").text
    revealed = before.post(f"/messages/{message}/reveal").text
    refused = console.visitor(viewer).post(f"/messages/{message}/reveal")

    assert "2348031234567" not in masked
    assert "hyacinth" not in masked
    assert "+2348031234567" in revealed
    assert "hyacinth" in revealed
    assert refused.status == 403
    logged = console.world.rows(
        "SELECT actor_kind, actor, action FROM audit_log WHERE subject = %(id)s AND action LIKE '%%reveal%%'",
        id=message,
    )
    assert [tuple(each)[:2] for each in logged] == [("user", support)]


def test_a_user_of_an_account_sees_nothing_of_another(console: Console, message: str) -> None:
    create_account(console.rt, "other", "EUR")
    visitor = console.visitor(console.add_user("otto", Role.ADMIN, account="other"))
    [request] = console.world.rows("SELECT request_id FROM messages WHERE id = %(id)s", id=message)

    answers = [
        visitor.get(f"/messages/{message}"),
        visitor.get(f"/requests/{request}"),
        visitor.get(f"/messages?q={message}"),
        visitor.post(f"/messages/{message}/reveal"),
        visitor.post(f"/messages/{message}/cancel"),
    ]
    searched = visitor.get("/messages?account=acme")

    assert {answer.status for answer in answers} == {404}
    assert not any("2348031234567"[-4:] in answer.text for answer in answers)
    assert message not in searched.text


def test_every_response_forbids_frames_and_foreign_scripts(console: Console, viewer: str) -> None:
    visitor = console.visitor(viewer)

    for path in ("/", "/nowhere", "/messages/x", "/static/console.css", "/livez"):
        answer = visitor.get(path)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert visitor.get("/").headers["cache-control"] == "no-store"


def test_a_form_that_is_too_large_is_refused(console: Console, viewer: str) -> None:
    token, host = console.begin_session(viewer), console.url.removeprefix("http://")
    with closing(HTTPConnection(host, timeout=60)) as connection:
        connection.putrequest("POST", "/profile/password")
        connection.putheader("Cookie", f"postroad_session={token}")
        connection.putheader("Content-Length", str(2 << 20))
        connection.endheaders()

        assert connection.getresponse().status == 413


def test_it_is_ready_while_the_database_answers(console: Console) -> None:
    assert console.visitor().get("/readyz").status == 200
    assert console.visitor().get("/livez").status == 200
