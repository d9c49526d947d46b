"""Malformed HTTP requests are answered in the error format of the API addressed; earlier requests are not lost."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from pipeline.runtime import Runtime
from tests.api.conftest import RunningGateway
from tests.api.hostile_requests import CANARY, TRACES
from tests.api.raw_http import Received, Wire, chunked, spell
from tests.dialects.envelopes import is_refusal
from tests.dialects.vendors import Vendor, issue
from tests.world import World
from workers.gateway.http_parser import PIPELINED

SMS = {"to": "+2348012345678", "from": "ACME", "body": "Your ride arrives at 9."}

#: where each API is asked to send: a prefix, or a host of its own
PLACES = {
    Vendor.SOLARIS: "/v1/sms/messages",
    Vendor.ROBASE: "/v1/sms",
    Vendor.TELESIGN: "/v1/verify/sms",
    Vendor.WEBEX: "/v1/sms",
    Vendor.POSTROAD: "/v1/messages",
}


def bad(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, b"Host: a.example", *headers]) + b"\r\n\r\n" + body


#: what is sent to a path, and the status it is answered with
FAULTS: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "a header of 20 kB": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"X-A: " + 20_000 * b"a"), 431),
    "a header's name of 20 kB": (lambda at: bad(b"POST %b HTTP/1.1" % at, 20_000 * b"a" + b": x"), 431),
    "200 headers": (lambda at: bad(b"POST %b HTTP/1.1" % at, *(b"X-%d: a" % each for each in range(200))), 431),
    "headers of 60 kB": (
        lambda at: bad(b"POST %b HTTP/1.1" % at, *(b"X-%d: %b" % (each, 6000 * b"a") for each in range(10))),
        431,
    ),
    "a URL of 20 kB": (lambda at: bad(b"POST %b?%b HTTP/1.1" % (at, 20_000 * b"a")), 414),
    "method FOO": (lambda at: bad(b"FOO %b HTTP/1.1" % at), 405),
    "method FOO with a body": (lambda at: bad(b"FOO %b HTTP/1.1" % at, b"Content-Length: 2", body=b"{}"), 405),
    "a method in small letters": (lambda at: bad(b"post %b HTTP/1.1" % at), 405),
    "a method of 40 letters": (lambda at: bad(b"%b %b HTTP/1.1" % (b"A" * 40, at)), 405),
    "a method of 300 letters": (lambda at: bad(b"%b %b HTTP/1.1" % (b"A" * 300, at)), 400),
    "a method that is no token": (lambda at: bad(b"G@T %b HTTP/1.1" % at), 400),
    "a method with letters of no alphabet of HTTP": (lambda at: bad(b"P\xc3\x96ST %b HTTP/1.1" % at), 400),
    "another version": (lambda at: bad(b"POST %b HTTP/7.7" % at), 400),
    "no version": (lambda at: bad(b"POST %b" % at), 400),
    "a header without a colon": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"c4n4ry"), 400),
    "a blank before a colon": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length : 2", body=b"{}"), 400),
    "a folded header": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"X-A: a", b" c4n4ry"), 400),
    "NUL in a header": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"X-A: a\x00c4n4ry"), 400),
    "a bare LF": (lambda at: b"POST %b HTTP/1.1\nHost: a\n\n" % at, 400),
    "two lengths": (
        lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length: 2", b"Content-Length: 3", body=b"{}"),
        400,
    ),
    "the same length twice": (
        lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length: 2", b"Content-Length: 2", body=b"{}"),
        400,
    ),
    "lengths in a list": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length: 2, 2", body=b"{}"), 400),
    "a length and chunks": (
        lambda at: bad(
            b"POST %b HTTP/1.1" % at, b"Content-Length: 2", b"Transfer-Encoding: chunked", body=chunked(b"{}")
        ),
        400,
    ),
    "chunks and a length": (
        lambda at: bad(
            b"POST %b HTTP/1.1" % at, b"Transfer-Encoding: chunked", b"Content-Length: 2", body=chunked(b"{}")
        ),
        400,
    ),
    "a negative length": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length: -1"), 400),
    "a signed length": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length: +2", body=b"{}"), 400),
    "a length that is none": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length: 0x2", body=b"{}"), 400),
    "an endless length": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"Content-Length: " + 40 * b"9"), 400),
    "chunks not last": (
        lambda at: bad(b"POST %b HTTP/1.1" % at, b"Transfer-Encoding: chunked, identity", body=chunked(b"{}")),
        400,
    ),
    "no host": (lambda at: b"POST %b HTTP/1.1\r\n\r\n" % at, 400),
    "two hosts": (lambda at: bad(b"POST %b HTTP/1.1" % at, b"Host: b.example"), 400),
}


@pytest.fixture(scope="module")
def line_of(shared_world: World) -> Iterator[Callable[..., Received]]:
    """Sends bytes to one gateway of the module and returns the answer."""
    secret = SecretStr("a secret of these tests, long enough")
    house = RunningGateway(Runtime(shared_world.rt.settings.model_copy(update={"secret_key": secret})))

    def ask(raw: bytes, method: str = "GET") -> Received:
        wire = Wire(house.port)
        try:
            return wire.ask(raw, method)
        finally:
            wire.close()

    yield ask
    house.close()
    house.rt.close()


@pytest.mark.parametrize("dialect", list(Vendor))
@pytest.mark.parametrize("name", FAULTS)
def test_a_malformed_request_is_refused_in_the_error_format_of_its_api(
    line_of: Callable[..., Received], caplog: pytest.LogCaptureFixture, name: str, dialect: Vendor
) -> None:
    make, status = FAULTS[name]

    received = line_of(make(f"/{dialect}{PLACES[dialect]}".encode()))

    assert received.status == status
    assert is_refusal(dialect, PLACES[dialect], status, json.loads(received.body))
    assert (received.headers["server"], received.kept) == ("Postroad", False)
    assert ("POST" in received.headers["allow"]) if status == 405 else "allow" not in received.headers
    assert not TRACES.search(received.body)
    assert CANARY not in received.body.decode()
    assert caplog.records == []


@pytest.mark.parametrize("path", ["/receipts/alpha", "/healthz", "/nowhere", "/"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_malformed_request_outside_the_apis_gets_a_plain_error(
    line_of: Callable[..., Received], name: str, path: str
) -> None:
    make, status = FAULTS[name]

    received = line_of(make(path.encode()))

    assert (received.status, received.kept) == (status, False)
    assert set(json.loads(received.body)) == {"error"}
    assert ("GET" in received.headers["allow"]) if status == 405 else "allow" not in received.headers


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        bytes(1000),
        b"GET\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        b"<xml/>\n\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_bytes_of_another_protocol_are_answered_400(line_of: Callable[..., Received], raw: bytes) -> None:
    received = line_of(raw)

    assert (received.status, received.kept) == (400, False)
    assert json.loads(received.body) == {"error": {"message": "not a valid HTTP request"}}


# Unusual and well ----------------------------------------------------------------------------------------------


def raw_answers(port: int, *parts: bytes, half: bool = True) -> bytes:
    """Send parts, end our half of the connection, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), 20) as line:
        for part in parts:
            line.sendall(part)
        if half:
            line.shutdown(socket.SHUT_WR)
        return line.makefile("rb").read()


def statuses(answers: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answers)]


@pytest.fixture
def sms(world: World) -> Callable[..., bytes]:
    """Makes a request that sends one message."""
    key = issue(world.rt, "acme", Vendor.ROBASE, settings={"rate": 1000}).credentials["api_key"]

    def make(text: str = "x", target: str = "/robase/v1/sms", **headers: str) -> bytes:
        named = [(name.replace("_", "-"), word) for name, word in headers.items()]
        body = json.dumps(SMS | {"body": text}).encode()
        body = chunked(body[:20], body[20:]) if "Transfer_Encoding" in headers else body
        return spell("POST", target, [("Authorization", f"Bearer {key}"), *named], body)

    return make


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw.replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0"),
        pytest.param(
            lambda raw: raw.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: 127.0.0.1\r\n", b""), id="no host"
        ),
        pytest.param(lambda raw: b"\r\n\r\n" + raw, id="empty lines before"),
        pytest.param(lambda raw: raw.replace(b"POST ", b"POST  "), id="two blanks"),
        pytest.param(lambda raw: raw.replace(b"/robase", b"http://sms.example:80/robase"), id="as a proxy is asked"),
        pytest.param(lambda raw: raw.replace(b"Host: ", b"host:"), id="no blank after a colon"),
    ],
)
def test_unusual_but_valid_requests_are_answered(
    running_gateway: RunningGateway, sms: Callable[..., bytes], change: Callable[[bytes], bytes]
) -> None:
    assert statuses(raw_answers(running_gateway.port, change(sms()))) == [202]


def test_the_host_of_an_absolute_request_target_overrides_the_host_header(
    world: World, sms: Callable[..., bytes]
) -> None:
    house = RunningGateway(
        Runtime(world.rt.settings.model_copy(update={"gateway_hosts": {Vendor.ROBASE: "sms.acme.example"}}))
    )
    try:
        faults = [
            b"FOO /v1/sms HTTP/1.1\r\nHost: SMS.acme.example:81\r\n\r\n",
            b"FOO http://sms.acme.example/v1/sms HTTP/1.1\r\nHost: b\r\n\r\n",
        ]
        assert statuses(raw_answers(house.port, sms(target="http://sms.acme.example/v1/sms"))) == [202]
        for fault in faults:
            answer = raw_answers(house.port, fault)
            assert statuses(answer) == [405]
            assert b'"validation_error"' in answer
    finally:
        house.close()
        house.rt.close()


def test_requests_are_answered_after_the_client_half_closes_the_connection(
    running_gateway: RunningGateway, sms: Callable[..., bytes]
) -> None:
    assert statuses(raw_answers(running_gateway.port, sms(), sms(), sms())) == [202, 202, 202]


def test_a_truncated_body_is_answered_400(
    running_gateway: RunningGateway, sms: Callable[..., bytes], world: World
) -> None:
    answer = raw_answers(running_gateway.port, sms(), sms()[:-5])

    assert statuses(answer) == [202, 400]
    assert b"not valid HTTP" in answer
    assert world.rows("SELECT count(*) FROM messages") == [1]


@pytest.mark.parametrize("fault", [b"FOO /robase/v1/sms HTTP/1.1\r\nHost: a\r\n\r\n", b"c4n4ry\r\n\r\n", bytes(300)])
@pytest.mark.parametrize("together", [True, False])
def test_requests_pipelined_before_a_malformed_one_are_answered(
    running_gateway: RunningGateway, world: World, sms: Callable[..., bytes], together: bool, fault: bytes
) -> None:
    parts = [
        sms("one"),
        sms("two", Transfer_Encoding="chunked"),
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        sms("three"),
        fault,
    ]

    answer = raw_answers(running_gateway.port, *([b"".join(parts)] if together else parts))

    assert statuses(answer)[:4] == [202, 202, 200, 202]
    assert statuses(answer)[4:] == [405 if fault.startswith(b"FOO") else 400]
    assert world.rows("SELECT body FROM messages ORDER BY id") == ["one", "two", "three"]


@pytest.mark.parametrize("together", [True, False])
def test_an_invalid_chunk_is_answered_400_at_once_and_closes_the_connection(
    running_gateway: RunningGateway, world: World, sms: Callable[..., bytes], together: bool
) -> None:
    head, _, body = sms("two", Transfer_Encoding="chunked").partition(b"\r\n\r\n")
    parts = [sms("one"), head + b"\r\n\r\n", body[:10], b"zz\r\n", sms("three")]

    answer = raw_answers(running_gateway.port, *([b"".join(parts)] if together else parts), half=False)

    assert statuses(answer) == [202, 400]
    assert is_refusal(Vendor.ROBASE, "/v1/sms", 400, json.loads(answer.rpartition(b"\r\n\r\n")[2]))
    assert world.rows("SELECT body FROM messages") == ["one"]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 11, 64, 1000, 10**6])
def test_requests_are_parsed_alike_however_they_are_split_into_segments(
    running_gateway: RunningGateway, world: World, sms: Callable[..., bytes], step: int
) -> None:
    raw = b"".join(
        [
            sms("one\r\n\r\nPOST /nowhere HTTP/1.1\r\n\r\n"),
            b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
            sms("two", Transfer_Encoding="chunked"),
            b"\r\n",
            sms("three"),
            b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
    )

    answer = raw_answers(running_gateway.port, *(raw[at : at + step] for at in range(0, len(raw), step)))

    assert statuses(answer) == [202, 200, 202, 202, 404]
    assert len(world.rows("SELECT body FROM messages")) == 3


def test_pipelined_requests_beyond_the_queue_limit_are_all_answered_in_order(
    running_gateway: RunningGateway, sms: Callable[..., bytes]
) -> None:
    each = [sms(), b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"]

    answer = raw_answers(running_gateway.port, PIPELINED * b"".join(each))

    assert statuses(answer) == PIPELINED * [202, 200, 404]


def test_a_connection_whose_client_reads_no_responses_is_closed(
    running_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.gateway.http_server._STALLED", 0.1)
    ask = b"GET /webex/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"

    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.setblocking(False)
        ends, is_open = time.monotonic() + 30, True
        while is_open and time.monotonic() < ends:
            try:
                line.send(1000 * ask)
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:
                is_open = False

    assert not is_open
