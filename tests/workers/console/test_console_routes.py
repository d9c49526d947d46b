"""Every route of the console: what it answers to strangers, to those without its right, and to hostile input."""

import inspect
import re
import sys
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from pipeline.rules.identity.roles import rights_of
from pipeline.stages.admin.accounts import create_account
from pipeline.store import user_sessions
from schema.vocabulary import Right, Role
from tests.workers.console.conftest import Answer, Console, Visitor
from tests.world import message_ids
from workers.console.application import ROUTES
from workers.console.console_routes import ConsoleRoute

GUARDED = [each for each in ROUTES if each.right is not None]
#: U+0000, too long for a number, an early time, no number, markup
HOSTILE = ("a\0b", "9" * 5000, "0001-01-01T00:00", "nan", "'\"><script>{{7*7}}")
#: a name that a page reads from its query or form
_READ = re.compile(r'(?:get|getlist|text|moment|minor)\("(\w+)"')


@pytest.fixture(scope="module")
def message(console: Console) -> str:
    return str(message_ids(console.world.send("+2348031234567"))[0])


@pytest.fixture(scope="module")
def admin(console: Console) -> str:
    return console.add_user("ada", Role.ADMIN)


@pytest.fixture(scope="module")
def account_admin(console: Console) -> str:
    create_account(console.rt, "walked", "EUR")
    return console.add_user("walter", Role.ADMIN, account="walked")


def path_of(route: ConsoleRoute, id_: str) -> str:
    """Return a path of the route whose ids exist, if it is about messages."""
    numbered = re.sub(r"\{\w+:int\}", "1", route.path)
    return re.sub(r"\{\w*id(:\w+)?\}", id_, numbered).replace("{name}", "acme").replace("{", "").replace("}", "")


def ask(visitor: Visitor, route: ConsoleRoute, path: str, **form: str) -> Answer:
    return visitor.get(path) if route.method == "GET" else visitor.post(path, None, **form)


def test_no_route_answers_without_a_session_or_before_the_second_factor(
    console: Console, admin: str, message: str
) -> None:
    token = console.begin_session(admin)
    with console.rt.begin() as conn:
        session = user_sessions.find(conn, token, console.rt.now())
        assert session
        conn.exec_driver_sql("UPDATE user_sessions SET needs_totp = true WHERE id = %(id)s", {"id": session.id})
    nobody, half = console.visitor(), console.visitor()
    half.token, half.csrf = token, session.csrf_token

    for route in GUARDED:
        path = path_of(route, message)
        for visitor, page in ((nobody, "/sign-in"), (half, "/sign-in/code")):
            answer = ask(visitor, route, path)
            location = answer.headers["location"].partition("?")[0]
            assert (answer.status, location) == (303, page), f"{route.method} {route.path}"


def test_no_route_answers_without_its_right(console: Console, message: str) -> None:
    lacking = {right: [role for role in Role if right not in rights_of([role], is_operator=True)] for right in Right}
    visitors = {role: console.visitor(console.add_user(f"walker-{role}", role)) for role in Role}

    for route in GUARDED:
        assert route.right
        # the least and the most of those who may not
        for role in {*lacking[route.right][:1], *lacking[route.right][-1:]}:
            answer = ask(visitors[role], route, path_of(route, message))
            assert answer.status == 403, f"{route.method} {route.path} as {role}"
            assert "your roles do not include" in answer.text.lower()


def test_what_is_about_the_installation_does_not_exist_for_an_accounts_administrator(
    console: Console, account_admin: str, message: str
) -> None:
    visitor = console.visitor(account_admin)

    for route in ROUTES:
        if route.is_for_operators:
            answer = ask(visitor, route, path_of(route, message))
            assert answer.status == 404, f"{route.method} {route.path}"


def test_no_form_is_taken_without_the_token_of_its_session(console: Console, admin: str, message: str) -> None:
    visitor = console.visitor(admin)

    for route in ROUTES:
        if route.method == "GET":
            continue
        visitor.csrf = "guessed"
        headers = {} if route.right else {"Origin": "https://evil.example"}
        answer = visitor.post(path_of(route, message), headers=headers)
        assert answer.status == 403, f"{route.method} {route.path}"
        assert "form" in answer.text


def test_no_hostile_path_query_or_field_makes_a_route_fail(console: Console, admin: str, message: str) -> None:
    visitor = console.visitor(admin)
    faults = []

    for route in GUARDED:
        for path, form in [*_hostile_paths(route), *_hostile_fields(route, message)]:
            answer = ask(visitor, route, path, **form)
            assert "/sign-in" not in answer.headers.get("location", "")
            if answer.status >= 500:
                faults.append(
                    (answer.status, route.method, path[:200], {name: each[:20] for name, each in form.items()})
                )

    assert not faults


def _hostile_paths(route: ConsoleRoute) -> Iterator[tuple[str, dict[str, str]]]:
    if "{" in route.path:
        for value in (*map(quote, HOSTILE), "%FF%FE", "..%2f..%2fetc"):
            yield re.sub(r"\{[^}]+\}", value, route.path), {}


def _hostile_fields(route: ConsoleRoute, message: str) -> Iterator[tuple[str, dict[str, str]]]:
    path = path_of(route, message)
    source = inspect.getsource(sys.modules[route.handler.__module__])
    names = sorted(set(_READ.findall(source)))
    fields = [dict.fromkeys(names, value) for value in HOSTILE]
    fields += [{"account": "acme", name: value} for name in names for value in HOSTILE[:3]]
    for each in fields:
        yield (f"{path}?{urlencode(each)}", {}) if route.method == "GET" else (path, each)
