"""Attacks that once succeeded, or nearly: forged addresses, slow and large requests, and keys of other accounts."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from pipeline.dialects.contract import ApiOperation
from pipeline.dialects.registry import DIALECTS
from pipeline.errors import Overloaded
from pipeline.runtime import Runtime
from pipeline.stages import receive
from pipeline.stages.admin.api_keys import IssuedKey
from pipeline.stages.admin.person_import import add_person
from pipeline.stages.api.authenticate import Credentials, Denied, authenticate
from pipeline.store import carriers
from pipeline.vault import Vault
from schema.api import ApiKey
from schema.vocabulary import Code
from tests.api.conftest import Answer, RunningGateway, forget_limits
from tests.api.hostile_requests import FORM
from tests.dialects.vendors import Vendor, issue
from tests.world import World
from workers.api import memory_limit, unauthenticated
from workers.api.dispatch import ApiDispatcher
from workers.api.memory_limit import ALL, EACH, LIGHT, MemoryLimit
from workers.gateway import http_server, request_body
from workers.gateway.http_server import HttpServer
from workers.lab.embedded import development

NUMBER = "+2348012345678"
SMS = {"to": NUMBER, "from": "ACME", "body": "Your ride arrives at 9."}
#: bytes of the largest request
LARGEST = 8 * 1024 * 1024 - 1024


@pytest.fixture
def house_with(world: World, pair: development.EmbeddedServers) -> Iterator[Callable[..., RunningGateway]]:
    """Opens a gateway with these settings."""
    opened = []

    def make(**settings: Any) -> RunningGateway:
        forget_limits(pair)
        opened.append(RunningGateway(Runtime(world.rt.settings.model_copy(update=settings))))
        return opened[-1]

    yield make
    for house in opened:
        house.close()
        house.rt.close()


def robase(world: World, **properties: Any) -> dict[str, str]:
    key = issue(world.rt, "acme", Vendor.ROBASE, **properties).credentials["api_key"]
    return {"Authorization": f"Bearer {key}"}


def sent_raw(port: int, *parts: bytes) -> bytes:
    """Send these bytes; return all that comes back until the other side hangs up."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        for part in parts:
            line.sendall(part)
        return line.makefile("rb").read()


# Where a caller is ----------------------------------------------------------------------------------------------


def test_a_caller_behind_a_proxy_cannot_forge_its_address_with_x_forwarded_for(
    world: World, house_with: Callable[..., RunningGateway]
) -> None:
    house = house_with(gateway_proxies=("127.0.0.0/8",))
    headers = robase(world, networks=["203.0.113.0/24"])
    reported = [(b"X-Forwarded-For", b"203.0.113.9"), (b"X-Forwarded-For", b"198.51.100.1")]

    forged, honest = (ask_twice_reported(house, headers, pair) for pair in (reported, reported[::-1]))

    assert (forged, honest) == (403, 202)


def ask_twice_reported(house: RunningGateway, headers: Mapping[str, str], reported: list[tuple[bytes, bytes]]) -> int:
    body = json.dumps(SMS).encode()
    own = [(name.encode(), word.encode()) for name, word in headers.items()]
    head = b"".join(b"%b: %b\r\n" % each for each in [*own, *reported])
    first = b"POST /robase/v1/sms HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n" % len(body)
    return int(sent_raw(house.port, first + head + b"\r\n" + body).split()[1])


# Slow callers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/robase/v1/sms", ""),
        ("/receipts/open", ""),
        ("/telesign/v1/verify/sms", "Authorization: TSA nobody:AAAA"),
        ("/solaris/oauth2/token", "Content-Type: application/x-www-form-urlencoded"),
    ],
)
def test_a_request_whose_body_does_not_arrive_is_answered_400_after_a_timeout(
    world: World, running_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, path: str, header: str
) -> None:
    monkeypatch.setattr(request_body, "TIMEOUT", 0.1)
    monkeypatch.setattr(unauthenticated, "TIMEOUT", 0.1)
    monkeypatch.setattr(http_server, "_LINGERING", 0.1)
    with world.rt.begin() as conn:
        carriers.save(conn, "open", "http", {"base_url": "http://127.0.0.1:1"})
    shown = header or "\r\n".join(f"{name}: {word}" for name, word in robase(world).items())

    answer = sent_raw(
        running_gateway.port, f"POST {path} HTTP/1.1\r\nHost: a\r\n{shown}\r\nContent-Length: 9\r\n\r\n1".encode()
    )

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("path", ["/robase/v1/sms", "/receipts/alpha"])
def test_a_connection_closed_in_the_middle_of_a_body_logs_no_warning(
    running_gateway: RunningGateway, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.WARNING)  # that his key is missing is told, whatever he does
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", running_gateway.port), 10) as line:
            line.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1".encode())
            running_gateway.ask("GET", "/nowhere")
    for _ in range(3):
        running_gateway.ask("GET", "/nowhere")

    assert caplog.records == []


def test_a_connection_without_a_complete_request_is_closed_after_the_idle_timeout() -> None:
    async def unasked(_request: web.BaseRequest) -> web.Response:
        raise AssertionError

    async def story(*first: bytes) -> bytes:
        runner = web.ServerRunner(HttpServer(unasked, idle=0.1))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        received, line = await asyncio.open_connection(*runner.addresses[0])
        line.writelines(first)
        try:
            return await asyncio.wait_for(received.read(), 5)
        finally:
            line.close()
            await runner.cleanup()

    assert [asyncio.run(story(*first)) for first in ((), (b"GET / HTTP/1.1\r\nX-Slow: ",))] == [b"", b""]


#: what the crowd sends on each of its connections, and the rest of it
CROWDS = {
    "silent": (b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "half a head": (b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"a\r\n\r\n"),
    "half a body": (b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12345", b"6789"),
}


@pytest.mark.parametrize(("begun", "rest"), CROWDS.values(), ids=CROWDS.keys())
def test_at_the_connection_limit_the_address_with_the_most_connections_loses_one(begun: bytes, rest: bytes) -> None:
    under_way = asyncio.Semaphore(0)

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/slow":
            under_way.release()
        await request.read()
        return web.Response(text="well")

    async def is_answered(received: asyncio.StreamReader, line: asyncio.StreamWriter, said: bytes) -> bool:
        line.write(said)
        try:
            return b"200" in await received.readline()
        except ConnectionError:
            return False
        finally:
            line.close()

    async def story() -> list[bool]:
        runner = web.ServerRunner(HttpServer(answer, most=3))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        where = runner.addresses[0]
        crowd = []
        for _ in range(3):
            crowd.append(await asyncio.open_connection(*where, local_addr=("127.0.0.2", 0)))
            crowd[-1][1].write(begun)
            if b"/slow" in begun:
                await under_way.acquire()
        other = await is_answered(*await asyncio.open_connection(*where), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        found = [other, *[await is_answered(*each, rest) for each in crowd]]
        await runner.cleanup()
        return found

    assert asyncio.run(story()) == [True, False, True, True]


# Large callers --------------------------------------------------------------------------------------------------


#: what is asked, where: one call of it must not stop all others
HEAVY = {
    "words that are none": ("/webhooks", '{"url": "https://a.example", "events": [%s]}', "1"),
    "countries that are none": ("/sender-ids", '{"sender_id": "NEW", "countries": [%s]}', "1"),
    "an array to be printed": ("/sms-templates/any/render", '{"any": [%s]}', "0.5"),
    "objects to be printed": ("/sms-templates/any/render", '{"any": [%s]}', "{}"),
    "an object to be printed": ("/sms-templates/any/render", '{"any": {"a": [%s]}}', "[]"),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_large_request_does_not_block_other_requests(
    world: World, running_gateway: RunningGateway, name: str
) -> None:
    path, around, word = HEAVY[name]
    headers = robase(world) | {"Content-Type": "application/json"}
    running_gateway.ask("POST", "/robase/v1/sms-templates", {"name": "any", "body": "{{.any}}"}, headers)
    body = around % ",".join([word] * (LARGEST // (len(word) + 1)))

    with ThreadPoolExecutor(1) as thread:
        large = thread.submit(running_gateway.ask, "POST", f"/robase/v1{path}", body, headers)
        began, longest = time.monotonic(), 0.0
        while not large.done():
            asked = time.monotonic()
            running_gateway.ask("GET", "/robase/openapi.json")
            longest = max(longest, time.monotonic() - asked)

    assert large.result().status in (400, 413)
    assert longest < 1.0, f"{longest:.1f} of {time.monotonic() - began:.1f} seconds"


@contextmanager
def carry(carried: MemoryLimit, owner: str, weight: int) -> Iterator[None]:
    """Carry a call of so many bytes."""
    with carried.load(owner) as measure:
        measure(weight)
        yield


def test_large_requests_beyond_the_memory_limits_are_refused_as_overload() -> None:
    carried = MemoryLimit()

    with carry(carried, "acme", EACH - LIGHT), carry(carried, "bolt", EACH):
        with pytest.raises(Overloaded), carry(carried, "acme", 2 * LIGHT):
            pass
        with ExitStack() as held:
            for place in range(ALL // EACH - 2):
                held.enter_context(carry(carried, f"another {place}", EACH))
            with pytest.raises(Overloaded), carry(carried, "one too many", 2 * LIGHT):
                pass
    with carry(carried, "acme", EACH):
        pass


def test_a_large_request_beyond_the_memory_limit_is_answered_503_with_retry_after(
    world: World, running_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = robase(world)
    rows = {"from": "ACME", "messages": [{"to": NUMBER, "body": 1000 * "x"} for _ in range(2 * LIGHT // 1000)]}

    monkeypatch.setattr(memory_limit, "EACH", LIGHT)
    crowded = running_gateway.ask("POST", "/robase/v1/sms/batch", rows, headers)
    small = running_gateway.ask("POST", "/robase/v1/sms", SMS, headers)
    monkeypatch.undo()
    again = running_gateway.ask("POST", "/robase/v1/sms/batch", rows, headers)

    assert (crowded.status, small.status, again.status) == (503, 202, 200)
    assert crowded.headers["retry-after"] == "1"


def test_a_growing_request_counts_towards_the_memory_limit_until_it_ends() -> None:
    carried = MemoryLimit()

    with carried.load("here") as measure, carried.load("there") as measure_other:
        measure(LIGHT)
        measure_other(EACH)
        for weight in (2 * LIGHT, EACH):
            measure(weight)
        with pytest.raises(Overloaded):
            measure(EACH + 1)
        with pytest.raises(Overloaded), carry(carried, "here", 2 * LIGHT):
            pass
        with carry(carried, "here", LIGHT):
            pass
    with carry(carried, "here", EACH), carry(carried, "there", EACH):
        pass


def test_concurrent_health_requests_share_one_running_check(
    running_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look(rt: Runtime) -> Any:
        looks.append(rt)
        time.sleep(0.1)
        return senders(rt)

    senders = receive.senders
    monkeypatch.setattr(receive, "senders", look)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: running_gateway.ask("GET", "/healthz").status, range(20)))

    assert set(answers) == {200}
    assert len(looks) < 5


# Keys of others -------------------------------------------------------------------------------------------------


def test_live_and_test_keys_have_separate_idempotency_keys(world: World, running_gateway: RunningGateway) -> None:
    add_person(world.rt, "acme", "person", NUMBER, verified=True)
    asked = {"person_id": "person", "text": "x", "purpose": "x", "idempotency_key": str(uuid4())}

    answers = [
        running_gateway.ask("POST", "/solaris/v1/sms/messages", asked, solaris(running_gateway, test))
        for test in (True, False)
    ]

    assert [answer.status for answer in answers] == [202, 202]
    assert world.rows("SELECT test FROM requests ORDER BY test") == [False, True]


#: what a test key may call beside what only reads: sending, taking back what it sent, looking, trying out
HARMLESS = {
    Vendor.ROBASE: {"send", "batch", "cancel", "render"},
    Vendor.WEBEX: {"sms", "test", "scheduled", "cancel"},
    Vendor.POSTROAD: {"send", "cancel", "campaigns", "recipients", "exclusions", "approve", "control"},
}
CHANGES = [
    pytest.param(dialect, operation, id=f"{dialect} {operation.method} {operation.path}")
    for dialect, harmless in HARMLESS.items()
    for operation in ApiDispatcher(DIALECTS[dialect]).operations
    if operation.method != "GET" and operation.name not in harmless
]


@pytest.mark.parametrize(("dialect", "operation"), CHANGES)
def test_a_test_key_cannot_change_resources_that_live_messages_use(
    running_gateway: RunningGateway, dialect: Vendor, operation: ApiOperation
) -> None:
    def asked(test: bool) -> Answer:
        shown = running_gateway.key(dialect, test=test)
        headers = {"Authorization": f"Bearer {shown['api_key']}"} if "api_key" in shown else {}
        headers |= {"X-AUTH-KEY": shown["access_token"]} if "access_token" in shown else {}
        path = operation.path.replace("{id}", str(uuid4()))
        return running_gateway.ask(operation.method, f"/{dialect}{path}", {}, headers)

    assert (asked(test=True).status, asked(test=False).status) in [(403, 404), (403, 400)]


def solaris(house: RunningGateway, test: bool) -> Mapping[str, str]:
    shown = house.key(Vendor.SOLARIS, test=test)
    form = f"grant_type=client_credentials&client_id={shown['client_id']}&client_secret={shown['client_secret']}"
    token = house.ask("POST", "/solaris/oauth2/token", form, {"Content-Type": FORM}).json["access_token"]
    return {"Authorization": f"Bearer {token}"}


def test_a_key_whose_check_fails_does_not_affect_keys_checked_with_it(
    world: World, pair: development.EmbeddedServers
) -> None:
    forget_limits(pair)
    rt, words = world.rt, robase(world)["Authorization"].split()
    good = Credentials(
        dialect=Vendor.ROBASE,
        handle=rt.vault.digest("key", Vendor.ROBASE, words[1]).hex(),
        source="203.0.113.7",
        endpoint="send",
        rate=100.0,
        burst=100,
        verify=lambda _key: None,
    )
    sealed, hasty, nowhere, twisted = (issue(rt, "acme", Vendor.TELESIGN) for _ in range(4))
    foreign = Vault("the secret of another installation").seal("key", b"x")
    world.run("UPDATE api_keys SET sealed = %(word)s WHERE id = %(id)s", word=foreign, id=sealed.id)
    world.run("""UPDATE api_keys SET settings = '{"rate": "fast"}' WHERE id = %(id)s""", id=hasty.id)
    world.run("UPDATE api_keys SET networks = '{nowhere}' WHERE id = %(id)s", id=nowhere.id)

    def shown(key: IssuedKey, prove: Callable[[ApiKey], Any] = good.verify) -> Credentials:
        return replace(good, dialect=Vendor.TELESIGN, handle=key.credentials["customer_id"], verify=prove)

    def redelivery(_key: ApiKey) -> None:
        raise UnicodeError

    found = authenticate(rt, [shown(sealed), shown(hasty), shown(nowhere), shown(twisted, redelivery), good])

    assert found[:4] == [Denied(Code.UNAUTHENTICATED), *3 * [Denied(Code.INTERNAL)]]
    assert isinstance(found[4], ApiKey)


# What is told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"nonsense\r\n\r\n"])
def test_the_server_header_does_not_name_the_http_library(running_gateway: RunningGateway, raw: bytes) -> None:
    answer = sent_raw(running_gateway.port, raw)

    assert b"\r\nServer: Postroad\r\n" in answer
