"""Unauthenticated callers cannot occupy the event loop, the memory or the connections that authenticated ones need."""

import asyncio
import gzip
import json
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from telesign.rest import RestClient

from pipeline.errors import Overloaded
from pipeline.store import carriers
from tests.api.conftest import RunningGateway
from tests.api.raw_http import Received, Wire, chunked, spell
from tests.dialects.envelopes import is_refusal
from tests.dialects.vendors import Vendor, issue
from tests.world import World
from workers.api import unauthenticated
from workers.api.unauthenticated import FREE, HELD_EACH, LONGEST, FailedCalls, ReadBudget, origin_of

NUMBER = "+2348012345678"
SMS = {"to": NUMBER, "from": "ACME", "body": "Your ride arrives at 9."}
FORM = "application/x-www-form-urlencoded"
MIB = 1024 * 1024


def robase(world: World, **properties: Any) -> dict[str, str]:
    key = issue(world.rt, "acme", Vendor.ROBASE, **properties).credentials["api_key"]
    return {"Authorization": f"Bearer {key}"}


def asked(house: RunningGateway, raw: bytes, method: str = "POST") -> Received:
    wire = Wire(house.port)
    try:
        return wire.ask(raw, method)
    finally:
        wire.close()


# What is compressed ---------------------------------------------------------------------------------------------

#: paths of every kind, and whose envelope answers there
PATHS = {
    "/robase/v1/sms": Vendor.ROBASE,
    "/robase/nowhere": Vendor.ROBASE,
    "/webex/v1/sms": Vendor.WEBEX,
    "/solaris/v1/persons": Vendor.SOLARIS,
    "/solaris/oauth2/token": Vendor.SOLARIS,
    "/telesign/v1/verify/sms": Vendor.TELESIGN,
    "/receipts/nobody": None,
    "/receipts/open": None,
    "/healthz": None,
    "/livez": None,
    "/nowhere": None,
    "/": None,
}


def packed() -> bytes:
    """Return a body that unpacks to 64 MiB of nothing."""
    return gzip.compress(bytes(64 * MIB), 9)


@pytest.mark.parametrize("path", PATHS)
def test_a_compressed_body_is_refused_before_it_is_decompressed(running_gateway: RunningGateway, path: str) -> None:
    received = asked(running_gateway, spell("POST", path, [("Content-Encoding", "gzip")], packed()))

    assert received.status == 415
    assert received.headers["accept-encoding"] == "identity"
    dialect, content = PATHS[path], json.loads(received.body)
    below = path.removeprefix(f"/{dialect}")
    assert is_refusal(dialect, below, 415, content) if dialect else set(content) == {"error"}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Content-Encoding", word)], id=word)
        for word in (
            "gzip",
            "GZIP",
            "x-gzip",
            "deflate",
            "br",
            "zstd",
            "compress",
            "gzip, gzip",
            "identity, br",
            "utf-8",
        )
    ]
    + [
        pytest.param([("Content-Encoding", "identity"), ("Content-Encoding", "gzip")], id="in two headers"),
        pytest.param([("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")], id="in chunks"),
        pytest.param([("Transfer-Encoding", "gzip, chunked")], id="as a transfer coding"),
        pytest.param(
            [("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")], id="as another transfer coding"
        ),
    ],
)
def test_a_compressed_body_of_an_authenticated_caller_is_refused(
    world: World, running_gateway: RunningGateway, headers: list[tuple[str, str]]
) -> None:
    body = zlib.compress(json.dumps(SMS).encode())
    body = chunked(body) if any(name == "Transfer-Encoding" for name, _ in headers) else body

    received = asked(running_gateway, spell("POST", "/robase/v1/sms", [*robase(world).items(), *headers], body))

    # what HTTP itself forbids is as good as refused
    assert received.status in (415, 400) if len(headers) == 2 else received.status == 415
    assert is_refusal(Vendor.ROBASE, "/v1/sms", received.status, json.loads(received.body))
    assert world.rows("SELECT count(*) FROM messages") == [0]


@pytest.mark.parametrize("word", ["identity", "Identity", ""])
def test_a_body_with_content_encoding_identity_is_accepted(
    world: World, running_gateway: RunningGateway, word: str
) -> None:
    answer = running_gateway.ask("POST", "/robase/v1/sms", SMS, robase(world) | {"Content-Encoding": word})

    assert answer.status == 202


@pytest.mark.parametrize("path", ["/robase/v1/sms", "/healthz", "/receipts/nobody"])
@pytest.mark.parametrize("headers", ["Content-Encoding: gzip\r\n", ""])
def test_the_body_of_a_refused_request_is_not_read(running_gateway: RunningGateway, path: str, headers: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {2**30}\r\n\r\n".encode()

    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.sendall(head)
        line.setblocking(False)
        taken, ends = 0, time.monotonic() + 20
        while time.monotonic() < ends:
            try:
                taken += line.send(bytes(MIB))
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break

    # what the two sockets hold is not read
    assert taken < 64 * MIB


def test_requests_are_answered_while_refused_callers_keep_sending(
    world: World, running_gateway: RunningGateway
) -> None:
    headers, body = robase(world, settings={"rate": 1000}), packed()
    raw = spell("POST", "/healthz", [("Content-Encoding", "gzip")], body)

    with ThreadPoolExecutor(8) as threads:
        refused = [threads.submit(asked, running_gateway, raw) for _ in range(40)]
        sent = [running_gateway.ask("POST", "/robase/v1/sms", SMS, headers).status for _ in range(5)]

    assert {each.result().status for each in refused} == {415}
    assert sent == 5 * [202]


# Who is known, and who is not -----------------------------------------------------------------------------------


@contextmanager
def pouring(house: RunningGateway, head: bytes, body: bytes, callers: int) -> Iterator[list[socket.socket]]:
    """Have callers send a head and a body that is not complete, and then nothing."""
    with ExitStack() as lines:
        yield [lines.enter_context(_pouring(house, head + body)) for _ in range(callers)]


@contextmanager
def _pouring(house: RunningGateway, raw: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", house.port), 10) as line:
        line.setblocking(False)
        with suppress(BlockingIOError):
            line.send(raw)
        line.setblocking(True)
        yield line


def test_large_unauthenticated_bodies_do_not_block_authenticated_callers(
    world: World, running_gateway: RunningGateway
) -> None:
    headers = robase(world, settings={"rate": 1000})
    rows = {"from": "ACME", "messages": [{"to": NUMBER, "body": 100 * "x"} for _ in range(900)]}
    head = b"POST /robase/v1/sms/batch HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (8 * MIB)

    with pouring(running_gateway, head, bytes(8 * MIB - 608), callers=8):
        answers = [running_gateway.ask("POST", "/robase/v1/sms/batch", rows, headers).status for _ in range(3)]

    assert answers == 3 * [200]


#: a call whose headers say enough: nothing of its body is waited for
JUDGED = {
    "no key": ("/robase/v1/sms", "", 401),
    "a key of no form": ("/robase/v1/sms", "Authorization: Bearer x", 401),
    "a key of nobody": ("/robase/v1/sms", "Authorization: Bearer rb_live_" + 32 * "a", 401),
    "a Webex key of nobody": ("/webex/v1/sms", "X-AUTH-KEY: aky_nobody", 401),
    "a token of nobody": ("/solaris/v1/sms/messages", "Authorization: Bearer a.9999999999." + 43 * "a", 401),
    "no token": ("/solaris/v1/persons", "", 401),
    "a password of nobody": ("/telesign/v1/verify/sms", "Authorization: Basic YTpi", 401),
    "no header": ("/telesign/v1/verify/sms", "", 401),
    "no such path": ("/robase/v2/sms", "", 404),
    "no such method": ("/webex/identity/v1/account", "", 405),
    "no such carrier": ("/receipts/nobody", "", 401),
    "a carrier's receipt without its token": ("/receipts/guarded", "", 401),
    "a carrier's receipt with another token": ("/receipts/guarded", "Authorization: Bearer y", 401),
    "a carrier's receipt without a signature": ("/receipts/signed", "", 401),
}


@pytest.mark.parametrize("name", JUDGED)
def test_requests_that_fail_by_their_headers_are_refused_without_waiting_for_the_body(
    world: World, running_gateway: RunningGateway, name: str
) -> None:
    path, header, status = JUDGED[name]
    guard(world)
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\n{header + chr(13) + chr(10) if header else ''}Content-Length: 9\r\n\r\n"

    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.sendall(head.encode())
        answer = line.recv(4096)

    assert answer.startswith(b"HTTP/1.1 %d " % status)


def guard(world: World) -> None:
    """Add carriers whose posts are proved by a token, by a signature, and by nothing."""
    with world.rt.begin() as conn:
        carriers.save(conn, "guarded", "http", {"base_url": "http://127.0.0.1:1", "receipt_token": "sesame"})
        carriers.save(conn, "signed", "termii", {"base_url": "https://x", "api_key": "k", "secret_key": "sesame"})
        carriers.save(conn, "open", "http", {"base_url": "http://127.0.0.1:1"})


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        pytest.param({"scopes": ["account"]}, "/webex/v1/sms", id="for something else"),
        pytest.param({"networks": ["203.0.113.0/24"]}, "/webex/v1/sms", id="from elsewhere"),
        pytest.param({"test": True}, "/robase/v1/sms-templates", id="for tests"),
    ],
)
def test_a_forbidden_operation_is_answered_403_before_the_body_arrives(
    world: World, running_gateway: RunningGateway, properties: Mapping[str, Any], path: str
) -> None:
    key = issue(world.rt, "acme", Vendor(path.split("/")[1]), **properties).credentials
    header = (
        f"X-AUTH-KEY: {key['access_token']}" if "access_token" in key else f"Authorization: Bearer {key['api_key']}"
    )

    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\n{header}\r\nContent-Length: 9\r\n\r\n".encode())
        answer = line.recv(4096)

    assert answer.startswith(b"HTTP/1.1 403 ")


def test_a_slowly_arriving_body_of_an_authenticated_caller_is_accepted(
    world: World, running_gateway: RunningGateway
) -> None:
    body = json.dumps(SMS).encode()
    raw = spell("POST", "/robase/v1/sms", [*robase(world).items()], body)

    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        for place in range(0, len(raw), 40):
            line.sendall(raw[place : place + 40])
            running_gateway.ask("GET", "/nowhere")
        answer = line.recv(4096)

    assert answer.startswith(b"HTTP/1.1 202 ")


def signed(world: World, body: str) -> Mapping[str, str]:
    shown = issue(world.rt, "acme", Vendor.TELESIGN).credentials
    headers = RestClient.generate_telesign_headers(
        shown["customer_id"], shown["api_key"], "POST", "/v1/verify/sms", body
    )
    return dict(headers)


def test_forged_signatures_with_large_bodies_do_not_block_signed_requests(
    world: World, running_gateway: RunningGateway
) -> None:
    running_gateway.gateway._submission.room._most = 256 * 1024
    headers = [("Authorization", "TSA nobody:AAAA"), ("Content-Length", "60001")]
    head = spell("POST", "/telesign/v1/verify/sms", headers)
    form = urlencode({"phone_number": NUMBER[1:], "x": 20_000 * "y"})
    raw = spell("POST", "/telesign/v1/verify/sms", list(signed(world, form).items()), form.encode())

    with pouring(running_gateway, head, bytes(60_000), callers=12) as lines:
        with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
            line.sendall(raw[:-9])
            running_gateway.ask("GET", "/nowhere")
            line.sendall(raw[-9:])
            answer = line.recv(4096)
        denied = lines[0].recv(4096)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert denied.startswith((b"HTTP/1.1 500 ", b"HTTP/1.1 503 "))


def test_large_bodies_at_one_receipt_url_do_not_block_receipts_or_api_requests(
    world: World, running_gateway: RunningGateway
) -> None:
    guard(world)
    running_gateway.gateway._receipt_endpoint._room._most = MIB
    head = b"POST /receipts/open HTTP/1.1\r\nHost: a\r\nContent-Length: 500001\r\n\r\n"
    receipts = json.dumps([{"id": f"c-{place}", "status": "delivered"} for place in range(100)])

    with pouring(running_gateway, head, bytes(500_000), callers=6):
        known = running_gateway.ask("POST", "/receipts/guarded", receipts, {"Authorization": "Bearer sesame"})
        other = running_gateway.ask("POST", "/receipts/open", receipts)
        api = running_gateway.ask("POST", "/robase/v1/sms", SMS, robase(world))

    assert (known.status, other.status, api.status) == (200, 200, 202)


def test_a_full_read_budget_drops_the_oldest_body_of_the_largest_user() -> None:
    async def story() -> list[bool]:
        room = ReadBudget(100)
        with room.share("a") as first, room.share("a") as second, room.share("b") as third:
            for share, size in ((first, 30), (second, 30), (third, 40)):
                share.set_size(size)
            with pytest.raises(Overloaded):  # it goes as soon as it asks for more
                first.set_size(31)
            with room.share("c") as fourth:
                fourth.set_size(30)
                third.set_size(40)
            return [share.is_out for share in (first, second, third, fourth)]

    assert asyncio.run(story()) == [True, False, False, False]


# Who fails, and fails again -------------------------------------------------------------------------------------


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Answers that are held back: how long each would have been."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("workers.api.unauthenticated.asyncio.sleep", sleep)
    return slept


def test_repeated_failures_of_an_address_delay_its_responses_only(asleep: list[float]) -> None:
    async def story() -> None:
        failures = FailedCalls(clock=lambda: 100.0)
        for _ in range(FREE + 20):
            assert await failures.note("203.0.113.7", "robase")
        await failures.note("203.0.113.8", "robase")

    asyncio.run(story())

    assert len(asleep) == 20
    assert asleep == sorted(asleep)
    assert max(asleep) == LONGEST


def test_the_number_of_delayed_responses_to_one_address_is_limited() -> None:
    async def story() -> tuple[int, bool]:
        failures = FailedCalls(clock=lambda: 100.0)
        for _ in range(FREE):
            await failures.note("203.0.113.7", "robase")
        held = [asyncio.create_task(failures.note("203.0.113.7", "robase")) for _ in range(HELD_EACH)]
        await asyncio.sleep(0)
        more = await failures.note("203.0.113.7", "robase")
        for task in held:
            task.cancel()
        return len(held), more

    assert asyncio.run(story()) == (HELD_EACH, False)


def test_authentication_failures_are_logged_once_a_minute_and_address_without_the_key(
    running_gateway: RunningGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for token in (32 * "a", 32 * "b", 32 * "c"):
        headers = {"Authorization": f"Bearer rb_live_{token}"}
        assert running_gateway.ask("POST", "/robase/v1/sms", SMS, headers).status == 401

    lines = [record.getMessage() for record in caplog.records if record.name == unauthenticated.__name__]
    assert lines == ["robase: calls from 127.0.0.1 do not show a good key"]


def test_the_number_of_failing_addresses_stored_and_logged_is_limited(
    asleep: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(unauthenticated, "REMEMBERED", 50)
    failures = FailedCalls(clock=lambda: 100.0)

    async def story() -> None:
        for place in range(500):
            await failures.note(f"10.0.{place // 250}.{place % 250}", "robase")

    asyncio.run(story())

    assert len(failures._records) == 50
    assert len(caplog.records) == unauthenticated.LINES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:0:1::7", "2001:db8:0:1:ffff::8", True),
        ("2001:db8:0:1::7", "2001:db8:0:2::7", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("", "nonsense", False),
    ],
)
def test_ipv6_addresses_are_counted_by_their_64_bit_prefix(one: str, other: str, same: bool) -> None:
    assert (origin_of(one) == origin_of(other)) is same


def test_a_valid_key_is_accepted_from_an_address_with_many_failures(
    world: World, running_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unauthenticated, "LONGEST", 600.0)
    monkeypatch.setattr(unauthenticated, "FREE", 0)
    headers = robase(world)

    with ExitStack() as lines:
        for _ in range(5):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", running_gateway.port), 20))
            line.sendall(b"GET /robase/v1/sms HTTP/1.1\r\nHost: a\r\n\r\n")
        answers = [running_gateway.ask("POST", "/robase/v1/sms", SMS, headers).status for _ in range(3)]

    assert answers == 3 * [202]
