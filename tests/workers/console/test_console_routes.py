"""Every route of the console: what it answers to strangers, to those without its right, and to hostile input."""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest

from pipeline.dialects.registry import DIALECTS
from pipeline.rules.identity.roles import rights_of
from pipeline.stages import inbound
from pipeline.stages.admin.account_templates import set_template
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.campaigns.create import create
from pipeline.store import user_sessions
from schema.campaign import CampaignDefinition
from schema.carriage import Inbound
from schema.vocabulary import Right, Role
from tests.dialects.vendors import Vendor
from tests.workers.console.conftest import Answer, Console, Visitor
from tests.world import message_ids
from workers.console.application import ROUTES
from workers.console.console_routes import ConsoleRoute

GUARDED = [each for each in ROUTES if each.right is not None]
#: U+0000, too long for a number, an early time, no number, markup
HOSTILE = ("a\0b", "9" * 5000, "0001-01-01T00:00", "nan", "'\"><script>{{7*7}}")
#: a name that a page reads from its query, or from its form
_READ = {"GET": re.compile(r'get\("(\w+)"'), "POST": re.compile(r'(?:getlist|text|moment|minor)\("(\w+)"')}


@pytest.fixture(scope="module")
def ids(console: Console) -> dict[str, str]:
    """By the first part of a path: an object of the account acme. Each has the word `hyacinth`, where it has any."""
    world, rt = console.world, console.rt
    sent = world.send("+2348031234567", body="hyacinth")
    made = create(rt, CampaignDefinition(account="acme", name="hyacinth", sender="ACME", body="hyacinth"))
    set_template(rt, "acme", "hyacinth", "hyacinth")
    called, _ = webhook_endpoints.create(rt, world.account, DIALECTS[Vendor.ROBASE], "https://hyacinth.example/")
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, '+447700900100')", id=world.account)
    inbound.keep(rt, [Inbound("alpha", "k1", "+2348012345678", "+447700900100", "hyacinth", at=None)])
    inbound.reply(rt)
    [received] = world.rows("SELECT id FROM inbound_messages")
    return {
        "messages": str(message_ids(sent)[0]),
        "requests": str(sent.request),
        "campaigns": str(made.id),
        "webhooks": str(called.id),
        "inbound": str(received),
        "accounts": "acme",
        "users": console.add_user("heinz", Role.VIEWER, account="acme"),
        "carriers": "alpha",
    }


@pytest.fixture(scope="module")
def admin(console: Console) -> str:
    return console.add_user("ada", Role.ADMIN)


@pytest.fixture(scope="module")
def account_admin(console: Console) -> str:
    create_account(console.rt, "walked", "EUR")
    return console.add_user("walter", Role.ADMIN, account="walked")


def path_of(route: ConsoleRoute, ids: Mapping[str, str]) -> str:
    """Return a path of the route, about an object that exists if there is one."""
    id_ = ids.get(route.path.split("/")[1], str(UUID(int=1)))
    found = (
        re.sub(r"\{\w+:int\}", "999999999", route.path).replace("{template}", "hyacinth").replace("{source}", "broker")
    )
    return re.sub(r"\{[^}]+\}", id_, found)


def ask(visitor: Visitor, route: ConsoleRoute, path: str, **form: str) -> Answer:
    return visitor.get(path) if route.method == "GET" else visitor.post(path, None, **form)


def test_no_route_answers_without_a_session_or_before_the_second_factor(
    console: Console, admin: str, ids: dict[str, str]
) -> None:
    token = console.begin_session(admin)
    with console.rt.begin() as conn:
        session = user_sessions.find(conn, token, console.rt.now())
        assert session
        conn.exec_driver_sql("UPDATE user_sessions SET needs_totp = true WHERE id = %(id)s", {"id": session.id})
    nobody, half = console.visitor(), console.visitor()
    half.token, half.csrf = token, session.csrf_token

    for route in GUARDED:
        path = path_of(route, ids)
        for visitor, page in ((nobody, "/sign-in"), (half, "/sign-in/code")):
            answer = ask(visitor, route, path)
            location = answer.headers["location"].partition("?")[0]
            assert (answer.status, location) == (303, page), f"{route.method} {route.path}"


def test_no_route_answers_without_its_right(console: Console, ids: dict[str, str]) -> None:
    lacking = {right: [role for role in Role if right not in rights_of([role], is_operator=True)] for right in Right}
    visitors = {role: console.visitor(console.add_user(f"walker-{role}", role)) for role in Role}

    for route in GUARDED:
        assert route.right
        # the least and the most of those who may not
        for role in {*lacking[route.right][:1], *lacking[route.right][-1:]}:
            answer = ask(visitors[role], route, path_of(route, ids))
            assert answer.status == 403, f"{route.method} {route.path} as {role}"
            assert "your roles do not include" in answer.text.lower()


def test_what_is_about_the_installation_does_not_exist_for_an_accounts_administrator(
    console: Console, account_admin: str, ids: dict[str, str]
) -> None:
    visitor = console.visitor(account_admin)

    for route in ROUTES:
        if route.is_for_operators:
            answer = ask(visitor, route, path_of(route, ids))
            assert answer.status == 404, f"{route.method} {route.path}"


def test_nothing_of_another_account_is_shown_or_changed(
    console: Console, account_admin: str, ids: dict[str, str]
) -> None:
    visitor = console.visitor(account_admin)
    before = _stored(console)

    for route in GUARDED:
        path = path_of(route, ids)
        if path == route.path:  # no id: what the fields name is another account's
            names = dict.fromkeys(_names(route), "acme") | {"recipients_of": ids["campaigns"], "role": "admin"}
            fields = names | {"name": "walked-2", "to": "+2348031234567", "number": "+2348031234567", "class": ""}
            answer = ask(visitor, route, f"{path}?{urlencode(names)}", **fields)
            assert answer.status < 500
        elif not path.startswith("/profile"):
            answer = ask(visitor, route, path, delivery=ids["messages"], role="admin", reason="x")
            assert answer.status in (404, 422), f"{route.method} {route.path}"
        else:
            continue
        assert "hyacinth" not in answer.text, f"{route.method} {route.path}"

    assert _stored(console) == before


def _stored(console: Console) -> list[object]:
    """Return what the account acme, and the installation, have."""
    tables = ("users", "campaigns", "opt_outs", "webhook_endpoints", "api_keys", "templates", "sender_ids", "requests")
    query = (
        "SELECT md5(array_agg(t::text ORDER BY t::text)::text) FROM {} AS t WHERE account_id IS DISTINCT FROM %(own)s"
    )
    [own] = console.world.rows("SELECT id FROM accounts WHERE name = 'walked'")
    return [console.world.rows(query.format(table), own=own) for table in tables]


def test_no_form_is_taken_without_the_token_of_its_session(console: Console, admin: str, ids: dict[str, str]) -> None:
    visitor = console.visitor(admin)

    for route in ROUTES:
        if route.method == "GET":
            continue
        visitor.csrf = "guessed"
        headers = {} if route.right else {"Origin": "https://evil.example"}
        answer = visitor.post(path_of(route, ids), headers=headers)
        assert answer.status == 403, f"{route.method} {route.path}"
        assert "form" in answer.text


def test_no_hostile_path_query_or_field_makes_a_route_fail(console: Console, admin: str, ids: dict[str, str]) -> None:
    visitor = console.visitor(admin)
    faults = []

    for route in GUARDED:
        for path, form in [*_hostile_paths(route), *_hostile_fields(route, ids)]:
            answer = ask(visitor, route, path, **form)
            assert "/sign-in" not in answer.headers.get("location", "")
            if answer.status >= 500:
                faults.append(
                    (answer.status, route.method, path[:200], {name: each[:20] for name, each in form.items()})
                )

    assert not faults


def _hostile_paths(route: ConsoleRoute) -> Iterator[tuple[str, dict[str, str]]]:
    if "{" in route.path:
        for value in (*map(quote, HOSTILE[:2]), "%FF%FE"):
            yield re.sub(r"\{[^}]+\}", value, route.path), {}


def _names(route: ConsoleRoute, code: object = None) -> list[str]:
    """Return the fields, or parameters, that a function reads, or the whole module of a route's handler."""
    read: Any = code or sys.modules[route.handler.__module__]
    return sorted(set(_READ[route.method].findall(inspect.getsource(read))))


def _hostile_fields(route: ConsoleRoute, ids: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    path = path_of(route, ids)
    names, alone = _names(route), _names(route, route.handler)
    fields = [dict.fromkeys(names, value) for value in HOSTILE[1:]]
    fields += [{"account": "acme", name: value} for name in alone for value in HOSTILE[1:3]]
    for each in fields:
        yield (f"{path}?{urlencode(each)}", {}) if route.method == "GET" else (path, each)
