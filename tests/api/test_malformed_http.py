"""Malformed HTTP is answered with a short JSON error that repeats none of its content; the next request is served."""

import json
import logging
from collections.abc import Iterator

import pytest

from tests.api.conftest import RunningGateway
from tests.api.hostile_requests import CANARY, TRACES
from tests.api.raw_http import Wire, chunked
from tests.dialects.vendors import Vendor

_HOST = b"Host: a\r\n"
_CHUNKS = _HOST + b"Transfer-Encoding: chunked\r\n\r\n"

#: what it is, its first line, what follows; `%b` stands for the API's own path
CROOKED: dict[str, tuple[bytes, bytes]] = {
    "no host": (b"POST %b HTTP/1.1", b"\r\n"),
    "two hosts": (b"POST %b HTTP/1.1", b"Host: a\r\nHost: b\r\n\r\n"),
    "a host that is a path": (b"PUT %b HTTP/1.1", b"Host: ../../etc\r\n\r\n"),
    "no such version": (b"GET %b HTTP/9.9", _HOST + b"\r\n"),
    "no version": (b"GET %b", b"\r\n"),
    "HTTP/2": (b"PRI * HTTP/2.0", b"\r\nSM\r\n\r\n"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03c4n4ry", b"\r\n"),
    "another host's URL": (b"GET http://c4n4ry.example%b HTTP/1.1", _HOST + b"\r\n"),
    "no path": (b"GET c4n4ry HTTP/1.1", _HOST + b"\r\n"),
    "all there is": (b"OPTIONS * HTTP/1.1", _HOST + b"\r\n"),
    "a tunnel": (b"CONNECT c4n4ry.example:443 HTTP/1.1", _HOST + b"\r\n"),
    "a small method": (b"post %b HTTP/1.1", _HOST + b"\r\n"),
    "no method": (b"C4N4RY %b HTTP/1.1", _HOST + b"\r\n"),
    "blanks in the path": (b"PUT %b a b HTTP/1.1", _HOST + b"\r\n"),
    "NUL in the path": (b"PUT %b\x00 HTTP/1.1", _HOST + b"\r\n"),
    "a path without end": (b"PUT %b" + 20_000 * b"a" + b" HTTP/1.1", _HOST + b"\r\n"),
    "a header without end": (b"PUT %b HTTP/1.1", _HOST + b"X-C4n4ry: " + 20_000 * b"a" + b"\r\n\r\n"),
    "a thousand headers": (b"PUT %b HTTP/1.1", _HOST + 1000 * b"X-C4n4ry: a\r\n" + b"\r\n"),
    "NUL in a header": (b"PUT %b HTTP/1.1", _HOST + b"Authorization: Bearer c4n4ry\x00\r\n\r\n"),
    "CR in a header": (b"PUT %b HTTP/1.1", _HOST + b"Authorization: Bearer c4n4ry\rX-Evil: b\r\n\r\n"),
    "LF alone": (b"PUT %b HTTP/1.1", b"Host: a\nAuthorization: Bearer c4n4ry\nX-Evil: b\n\n"),
    "a folded header": (b"PUT %b HTTP/1.1", _HOST + b"Authorization: Bearer\r\n c4n4ry\r\n\r\n"),
    "a blank before the colon": (b"PUT %b HTTP/1.1", _HOST + b"Authorization : Bearer c4n4ry\r\n\r\n"),
    "a header without a name": (b"PUT %b HTTP/1.1", _HOST + b": c4n4ry\r\n\r\n"),
    "two lengths": (b"POST %b HTTP/1.1", _HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    "a length below nought": (b"POST %b HTTP/1.1", _HOST + b"Content-Length: -1\r\n\r\n{}"),
    "a length with a sign": (b"POST %b HTTP/1.1", _HOST + b"Content-Length: +2\r\n\r\n{}"),
    "a length without end": (b"POST %b HTTP/1.1", _HOST + b"Content-Length: " + 400 * b"9" + b"\r\n\r\n{}"),
    "a length beyond all": (b"POST %b HTTP/1.1", _HOST + b"Content-Length: 9999999999999\r\n\r\n{}"),
    "length and chunks": (
        b"POST %b HTTP/1.1",
        b"Content-Length: 2\r\n" + _CHUNKS + b"0\r\n\r\n",
    ),
    "packed chunks": (b"POST %b HTTP/1.1", _HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunks twice": (b"POST %b HTTP/1.1", _HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "no known coding": (b"POST %b HTTP/1.1", _HOST + b"Transfer-Encoding: c4n4ry\r\n\r\n{}"),
    "a chunk without end": (b"POST %b HTTP/1.1", _CHUNKS + 20 * b"f" + b"\r\n{}"),
    "a chunk below nought": (b"POST %b HTTP/1.1", _CHUNKS + b"-2\r\n{}\r\n0\r\n\r\n"),
    "chunks and no end": (b"POST %b HTTP/1.1", _CHUNKS + b"2\r\n{}\r\nc4n4ry\r\n\r\n"),
    "a tail of chunks": (b"POST %b HTTP/1.1", _CHUNKS + b"0\r\nX-Evil: c4n4ry\r\n\r\n"),
    "words of a chunk": (b"POST %b HTTP/1.1", _CHUNKS + b"2;c4n4ry=1\r\n{}\r\n0\r\n\r\n"),
    "chunks too many": (b"POST %b HTTP/1.1", _CHUNKS + chunked(*9 * [1_000_000 * b"{"])),
    "no such packing": (b"POST %b HTTP/1.1", _HOST + b"Content-Encoding: c4n4ry\r\nContent-Length: 2\r\n\r\n{}"),
    "a web socket": (b"PUT %b HTTP/1.1", _HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    "an upgrade": (b"PUT %b HTTP/1.1", _HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"),
    "an expectation": (b"POST %b HTTP/1.1", _HOST + b"Expect: c4n4ry\r\nContent-Length: 2\r\n\r\n{}"),
    "another method within": (b"PUT %b HTTP/1.1", _HOST + b"X-HTTP-Method-Override: DELETE\r\n\r\n"),
    "another address": (
        b"PUT %b HTTP/1.1",
        _HOST + b"X-Forwarded-For: 127.0.0.1, c4n4ry, ::\r\n\r\n",
    ),
}


@pytest.mark.parametrize("dialect", list(Vendor))
def test_malformed_http_is_answered_4xx_and_none_of_its_content_is_repeated(
    running_gateway: RunningGateway, caplog: pytest.LogCaptureFixture, dialect: Vendor
) -> None:
    caplog.set_level(logging.DEBUG)
    path = f"/{dialect}/v1/sms".encode()

    faults = [fault for name, raw in CROOKED.items() for fault in judge(running_gateway, name, path, *raw)]

    assert not faults, "\n".join(faults)
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING] == []
    assert CANARY not in caplog.text.lower()
    assert running_gateway.ask("GET", f"/{dialect}/openapi.json").status == 200


def judge(house: RunningGateway, name: str, path: bytes, first: bytes, rest: bytes) -> Iterator[str]:
    """Say it; yield what is wrong with the answer."""
    wire = Wire(house.port)
    try:
        received = wire.ask(first.replace(b"%b", path) + b"\r\n" + rest)
    except (OSError, ValueError) as error:
        yield f"{name}: no answer, {type(error).__name__}"
        return
    finally:
        wire.close()
    reported = f"{name}: {received.status} {received.body[:200]!r}"
    if not 400 <= received.status < 500 or not isinstance(json.loads(received.body), dict):
        yield reported
    if CANARY.encode() in received.body.lower() or TRACES.search(received.body) or "x-evil" in received.headers:
        yield f"repeated: {reported}"
