"""Fixtures of the console's tests: a running console on a database of the module's own, and Chromium."""

import http.cookiejar
import os
import re
import shutil
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.users.users import create_user
from pipeline.store import user_sessions, users
from schema.user import UserClient
from schema.vocabulary import Role
from tests.databases import NewDatabase
from tests.world import World
from workers.console.console_process import config
from workers.lab.embedded import development

PASSWORD = "four words make one"
#: the one without windows starts in half of the time
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _BROWSERS)), None)
#: a test must not skip where this is set
REQUIRED = "POSTROAD_TEST_BROWSER"
#: a folder for screenshots of each page that a test looks at
SCREENSHOTS = os.environ.get("POSTROAD_TEST_SCREENSHOTS")

#: asks axe for what is serious, as a rule's name and the first elements; all that it finds takes longer to hand over
_AXE = """
(rules) => axe.run(document, {runOnly: rules, resultTypes: ["violations"], selectors: false}).then((found) =>
    found.violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => [each.id, each.nodes.slice(0, 3).map((node) => node.html)]))
"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]

_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the console."""

    status: int
    headers: Mapping[str, str]
    text: str


def _answer(status: int, headers: Message, body: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body.decode())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        """Follow no redirect."""


class Visitor:
    """A browser without scripts: keeps cookies, follows no redirect, and knows the CSRF token of the last page."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = http.cookiejar.CookieJar()
        #: of a session that was not begun here
        self.token = ""
        self.csrf = ""
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies), _NoRedirect, urllib.request.ProxyHandler({})
        )

    def get(self, path: str, **headers: str) -> Answer:
        """Return the page at a path."""
        return self._ask(urllib.request.Request(self.url + path, headers=headers))  # noqa: S310 - ours

    def post(self, path: str, headers: Mapping[str, str] | None = None, **form: str) -> Answer:
        """Post a form with the CSRF token."""
        data = urllib.parse.urlencode({"csrf_token": self.csrf} | form).encode()
        return self._ask(urllib.request.Request(self.url + path, data, dict(headers or {})))  # noqa: S310

    def upload(self, path: str, field: str, file_name: str, content: str, /, **form: str) -> Answer:
        """Post a form with a file and the CSRF token."""
        parts = [f'form-data; name="{key}"\r\n\r\n{value}' for key, value in ({"csrf_token": self.csrf} | form).items()]
        escaped = file_name.replace('"', "%22")  # as browsers write it (HTML 4.10.21.8)
        parts.append(f'form-data; name="{field}"; filename="{escaped}"\r\nContent-Type: text/csv\r\n\r\n{content}')
        data = "".join(f"--edge\r\nContent-Disposition: {each}\r\n" for each in parts) + "--edge--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        return self._ask(urllib.request.Request(self.url + path, data.encode(), headers))  # noqa: S310

    def _ask(self, request: urllib.request.Request) -> Answer:
        if self.token:
            request.add_unredirected_header("Cookie", f"postroad_session={self.token}")
        try:
            with self._opener.open(request, timeout=60) as found:
                answer = Answer(
                    found.status, {name.lower(): value for name, value in found.headers.items()}, found.read().decode()
                )
        except urllib.error.HTTPError as error:
            with error:
                answer = Answer(
                    error.code, {name.lower(): value for name, value in error.headers.items()}, error.read().decode()
                )
        if token := _CSRF.search(answer.text):
            self.csrf = token[1]
        return answer


class Console:
    """A console that serves this module's database."""

    def __init__(self, rt: Runtime, url: str, world: World | None = None) -> None:
        self.rt, self.url = rt, url
        self.world = world or World(rt)

    def add_user(self, name: str, *roles: Role, account: str | None = None) -> str:
        """Create a user with the usual password; return the name."""
        create_user(self.rt, name, roles, account=account, password=PASSWORD)
        return name

    def begin_session(self, name: str) -> str:
        """Begin a session of a user, as signing in does, whose limits the tests together would reach."""
        with self.rt.begin() as conn:
            user = users.named(conn, name).user
            client = UserClient("127.0.0.1", "Tests")
            return user_sessions.begin(conn, user, client, self.rt.now(), timedelta(hours=1), timedelta(hours=1)).token

    def visitor(self, name: str | None = None) -> Visitor:
        """Return a visitor, with a session of this user if there is one."""
        visitor = Visitor(self.url)
        if name:
            visitor.token = self.begin_session(name)
            visitor.get("/profile")
        return visitor


@contextmanager
def own_console(pair: development.EmbeddedServers, database_url: str, home: Path) -> Iterator[Runtime]:
    """Have a console serve a database; yield its runtime, whose settings have its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    rt = Runtime(
        Settings(
            database_url=database_url,
            broker_url=pair.broker_url,
            home=home,
            secret_key="s" * 40,
            console_port=port,
        )
    )
    with closing(rt), served(rt, listening):
        yield rt


@pytest.fixture(scope="module")
def console(
    pair: development.EmbeddedServers, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """Yield a running console, whose world the module's tests share."""
    with own_console(pair, new_database(), tmp_path_factory.mktemp("home")) as rt:
        yield Console(rt, rt.settings.console_address)


@contextmanager
def served(rt: Runtime, listening: socket.socket | None = None) -> Iterator[str]:
    """Yield the address of a console that serves a runtime's database."""
    listening = listening or socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    server = uvicorn.Server(config(rt, host, port))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Yield the system's Chromium; skip where there is none, unless POSTROAD_TEST_BROWSER is set.

    For a module, not longer: it occupies this thread's event loop, which other modules' tests use.
    """
    if not CHROMIUM:
        message = "no Chromium here: apt install chromium-headless-shell"
        pytest.fail(message) if os.environ.get(REQUIRED) else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


class Eyes:
    """Looks at pages in Chromium: what breaks the Content-Security-Policy, scripts' errors, and what axe finds."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.faults: list[str] = []
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " (event) => console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        context.on("console", lambda message: self._note(message.type, message.text))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))

    def _note(self, kind: str, text: str) -> None:
        # the status of a page that says no
        if kind == "error" and "the server responded with a status of" not in text:
            self.faults.append(text)

    def look(self, page: Page, name: str) -> None:
        """Check a page in light and dark, wide and narrow; keep screenshots where they are wanted."""
        page.evaluate(AXE_SCRIPT)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width, height in ((1280, 900), (390, 844)):
                page.set_viewport_size({"width": width, "height": height})
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{name} is {wide} pixels wide on a screen of {width}"
                if SCREENSHOTS:
                    page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{scheme}-{width}.png", full_page=True)
            assert page.evaluate(_AXE, _RULES) == []
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 900})
        assert not self.faults, self.faults


@pytest.fixture
def eyes(chromium: Browser) -> Iterator[Eyes]:
    """Yield a new browser profile that is looked through."""
    # without transitions: in the midst of one a colour has too little contrast
    context = chromium.new_context(locale="en-GB", timezone_id="Europe/Berlin", reduced_motion="reduce")
    context.set_default_timeout(60_000)
    yield Eyes(context)
    context.close()


def open_as(eyes: Eyes, console: Console, name: str) -> Page:
    """Return a new tab with a session of a user."""
    token = console.begin_session(name)
    eyes.context.add_cookies([{"name": "postroad_session", "value": token, "url": console.url}])
    return eyes.context.new_page()


def sign_in(page: Page, url: str, name: str) -> None:
    """Sign in as a user in the browser."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/")
