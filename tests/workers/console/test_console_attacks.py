"""Attacks on the console that worked once: by strangers, and by links that its users are sent."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.users.login_links import make_link, purpose_of
from schema.vocabulary import LinkPurpose, Role
from tests.workers.console.conftest import PASSWORD, Console
from workers.console import connections, request_checks
from workers.console.application import application

_MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n%s\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\nx\r\n--x--\r\n'
)


@pytest.fixture(scope="module")
def viewer(console: Console) -> str:
    return console.add_user("vic", Role.VIEWER)


@contextmanager
def connected(console: Console, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Yield a connection to the console from an address of this host."""
    url = urlsplit(console.url)
    assert url.hostname
    assert url.port
    with socket.create_connection((url.hostname, url.port), timeout=60, source_address=(source, 0)) as made:
        yield made


def answer_of(connection: socket.socket) -> bytes:
    """Return what the console answers until it closes the connection."""
    found = b""
    try:
        while more := connection.recv(1 << 16):
            found += more
    except ConnectionError:
        pass
    return found


def request(method: str, path: str, body: bytes = b"", length: int | None = None, **headers: str) -> bytes:
    given = {"Host": "console", "Connection": "close", "Content-Length": str(len(body) if length is None else length)}
    given["Content-Type"] = "application/x-www-form-urlencoded"
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


def test_a_link_cannot_have_the_console_say_what_its_author_pleases(console: Console, viewer: str) -> None:
    words = "Call 0900 123"
    visitor = console.visitor(viewer)
    redirect = visitor.post("/profile/sessions/end").headers["location"]
    other = console.visitor(viewer)

    assert "other sessions have ended." in visitor.get(redirect).text
    assert "other sessions have ended." not in other.get(redirect).text
    for path in ("/sign-in?notice={}", "/?notice={}", "/?notice={}&seal=x", redirect.replace("ended", "ended.+{}")):
        for each in (visitor, console.visitor()):
            assert words not in each.get(path.format("Call+0900+123")).text, path


@pytest.mark.parametrize("charset", ["undefined", "utf-7", "utf-16-le", "idna", "utf-8"])
@pytest.mark.parametrize("value", [b"+2AA-", b"\x00\xd8", b"a\0"])
def test_a_form_in_a_strange_character_set_is_refused(console: Console, charset: str, value: bytes) -> None:
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    with connected(console) as connection:
        connection.sendall(request("POST", "/sign-in", _MULTIPART % (value, value), Content_Type=kind, Origin="null"))
        answer = answer_of(connection)

    # those that can be read are of another site
    assert re.match(rb"HTTP/1.1 40[03] ", answer)
    assert b"content-security-policy" in answer


@pytest.mark.parametrize("path", ["/messages/", "//evil.example/", "/%2Fevil.example/", "/static"])
def test_no_host_that_a_request_names_appears_in_an_answer(console: Console, path: str) -> None:
    with connected(console) as connection:
        connection.sendall(request("GET", path, Host="evil.example"))
        answer = answer_of(connection)

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"evil.example" not in answer


def test_an_address_that_a_client_claims_is_not_believed_without_a_proxy(console: Console, viewer: str) -> None:
    visitor = console.visitor()
    visitor.post("/sign-in", {"X-Forwarded-For": "203.0.113.9"}, name=viewer, password=PASSWORD)

    page = visitor.get("/profile").text

    assert "127.0.0.1" in page
    assert "203.0.113.9" not in page


def test_a_new_password_ends_the_links_that_were_made_before(console: Console) -> None:
    name = console.add_user("lena", Role.VIEWER)
    old = make_link(console.rt, name, LinkPurpose.SIGN_IN)
    new = make_link(console.rt, name, LinkPurpose.SET_PASSWORD)

    done = console.visitor().post("/link", link=new.token, password="five other words make two")

    assert done.status == 303
    assert purpose_of(console.rt, old.token) is None


def test_connections_that_ask_for_nothing_are_closed(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with ExitStack() as opened:
        busy = None
        while busy is None:  # a machine that is slow enough has not read its request by then
            made = opened.enter_context(connected(console))
            made.sendall(request("POST", "/sign-in", length=8, Expect="100-continue"))
            busy = made if made.recv(1 << 16).startswith(b"HTTP/1.1 100 ") else None
        idle, slow = (opened.enter_context(connected(console)) for _ in range(2))
        slow.sendall(b"GET /livez HTTP/1.1\r\nHost: con")

        assert answer_of(idle) == b""
        assert answer_of(slow) == b""
        busy.sendall(b"name=ada")
        assert answer_of(busy).startswith(b"HTTP/1.1 403 ")


def test_a_stranger_cannot_have_the_console_store_much(console: Console) -> None:
    with connected(console) as connection:
        connection.sendall(request("POST", "/sign-in", length=1 << 16))

        assert answer_of(connection).startswith(b"HTTP/1.1 413 ")


def test_a_head_without_end_is_not_stored(console: Console) -> None:
    with connected(console) as connection:
        try:
            for _ in range(4):
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: console\r\nX: " + b"x" * (1 << 16))
        except ConnectionError:
            return
        assert answer_of(connection).startswith((b"HTTP/1.1 400 ", b""))


def test_a_form_that_takes_too_long_is_refused(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_checks, "_SECONDS", 0)
    monkeypatch.setattr(request_checks, "_BYTES", 1 << 40)
    with connected(console) as connection:
        connection.sendall(request("POST", "/sign-in", b"name=", length=8))

        assert answer_of(connection).startswith(b"HTTP/1.1 408 ")


def test_many_who_try_passwords_at_once_do_not_keep_others_out(
    console: Console, viewer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.rt.passwords, "_log_n", 4)
    visitor, slots = console.visitor(viewer), console.rt.passwords._slots
    with ExitStack() as opened:
        # as while two passwords are hashed
        slots.acquire()
        slots.acquire()
        try:
            addresses = [f"127.9.0.{1 + place // 24}" for place in range(48)]
            attempts = [opened.enter_context(connected(console, address)) for address in addresses]
            for place, each in enumerate(attempts):
                each.sendall(request("POST", "/sign-in", f"name=nobody{place}&password=x".encode()))
            page, ready = visitor.get("/profile"), visitor.get("/readyz")
        finally:
            slots.release()
            slots.release()
        assert (page.status, ready.status) == (200, 200)
        assert {answer_of(each)[:12] for each in attempts} == {b"HTTP/1.1 403"}


def test_without_a_database_a_session_is_told_so(console: Console) -> None:
    rt = Runtime(
        Settings(
            database_url="postgresql://nobody@127.0.0.1:1/none",
            broker_url=console.rt.settings.broker_url,
            home=console.rt.settings.home,
            secret_key="s" * 40,
        )
    )
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        headers = [(b"host", b"console"), (b"cookie", b"postroad_session=x")]
        scope = {"type": "http", "method": "GET", "path": "/profile", "query_string": b"", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        await application(rt)({**scope, "scheme": "http", "server": ("console", 80), "client": None}, receive, send)

    try:
        asyncio.run(ask())
    finally:
        rt.close()

    assert sent[0]["status"] == 503
    assert b"the database does not answer" in b"".join(each.get("body", b"") for each in sent).lower()


def test_a_link_of_the_console_is_no_way_to_another_host(console: Console, viewer: str) -> None:
    visitor = console.visitor(viewer)

    for path in ("//evil.example", "https:evil.example", "/\\evil.example", "\\/evil.example", "/%0d%0aX:y", "data:x"):
        answer = visitor.get(f"/sign-in?next={path}")
        assert re.match(r"/(?![/\\])", answer.headers["location"]), path
        assert "x" not in answer.headers
