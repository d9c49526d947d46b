"""Slow, huge, compressed, truncated and pipelined requests at a live gateway: each valid one among them is answered."""

import json
import random
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from pipeline.store import wallet_ledger
from tests.api.conftest import RunningGateway
from tests.api.raw_http import chunked, spell
from tests.dialects.vendors import Vendor, issue
from tests.fuzzing import rounds, seeded
from tests.world import World
from workers.api import unauthenticated

#: lines that attack at once, and requests on each
LINES, EACH = 6, 4
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")

#: bodies, and what is said of them
_HUGE = b"x" * 300_000


def odd(rng: random.Random, good: bytes) -> bytes:
    """Return something that is no good request, or nearly one."""
    make: Callable[[], bytes] = rng.choice(
        [
            lambda: rng.randbytes(rng.randrange(1, 400)),
            lambda: good[: rng.randrange(len(good))],
            lambda: changed(rng, good),
            lambda: good.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1),
            lambda: good.replace(b"Content-Length: ", b"Content-Length: 9999", 1),
            lambda: good.replace(b"Content-Length: ", b"Content-Length: -", 1),
            lambda: good.replace(b"Authorization: Bearer rb", b"Authorization: Bearer xx", 1),
            lambda: good.replace(b"POST", rng.choice([b"FOO", b"post", b"GET", b"CONNECT", b"PRI"]), 1),
            lambda: spell("POST", "/robase/v1/sms", [("X-Big", "x" * rng.randrange(1, 60_000))], b"{}"),
            lambda: spell(
                "POST", "/webex/v1/sms", [(f"X-{each}", "x") for each in range(rng.randrange(1, 300))], b"{}"
            ),
            lambda: spell(
                "POST", "/telesign/v1/verify/sms", [("Authorization", "TSA a:b")], _HUGE[: rng.randrange(90_000)]
            ),
            lambda: spell("POST", "/robase/v1/sms/batch", [], _HUGE),
            lambda: spell(
                "POST", "/receipts/nobody", [("Transfer-Encoding", "chunked")], b"zz\r\n" + rng.randbytes(30)
            ),
            lambda: spell("GET", "/" + "a" * rng.randrange(20_000)),
            lambda: b"GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            lambda: b"\r\n" * rng.randrange(1, 400),
        ]
    )
    return make()


def changed(rng: random.Random, raw: bytes) -> bytes:
    """Return bytes of which a few are others."""
    spoilt = bytearray(raw)
    for _ in range(rng.randrange(1, 6)):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt)


def pieces(rng: random.Random, raw: bytes) -> Iterator[bytes]:
    """Cut bytes as they may be cut on their way."""
    while raw:
        size = rng.choice([1, 2, 17, 300, 5_000, 10**6])
        yield raw[:size]
        raw = raw[size:]


def attack(port: int, seed: int, good: Callable[[int], bytes]) -> list[str]:
    """Send good requests and then what is none over one line; return what is wrong with the answers to the good."""
    rng = random.Random(seed)
    count = rng.randrange(EACH)
    raw = b"".join(good(rng.randrange(10**9)) for _ in range(count))
    raw += odd(rng, good(rng.randrange(10**9))) if rng.random() < 0.9 else b""
    received = b""
    with socket.create_connection(("127.0.0.1", port), 30) as line:
        with suppress(ConnectionError):  # it may hang up as soon as it has heard enough
            for piece in pieces(rng, raw):
                line.sendall(piece)
            line.shutdown(
                rng.choice([socket.SHUT_WR, socket.SHUT_WR, socket.SHUT_RDWR]) if count == 0 else socket.SHUT_WR
            )
        with suppress(ConnectionError):
            while more := line.recv(65_536):
                received += more
    reported = [int(word) for word in _STATUS.findall(received)]
    return [] if reported[:count] == count * [202] else [f"seed {seed}: {count} good, answered {reported}"]


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
def test_each_valid_request_among_malformed_ones_is_answered(
    world: World, running_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unauthenticated, "LONGEST", 0.0)
    monkeypatch.setattr("workers.gateway.http_server._LINGERING", 0.05)
    with world.rt.begin() as conn:
        wallet_ledger.top_up(conn, world.account, 10_000_000_000, "fuzz", world.rt.now())
    room = {"rate": 1_000_000, "burst": 1_000_000}
    key = issue(world.rt, "acme", Vendor.ROBASE, settings=room).credentials["api_key"]

    def good(number: int) -> bytes:
        body = json.dumps({"to": "+2348012345678", "from": "ACME", "body": f"No. {number}"}).encode()
        shown = [("Authorization", f"Bearer {key}")]
        if number % 3:
            return spell("POST", "/robase/v1/sms", shown, body)
        return spell("POST", "/robase/v1/sms", [*shown, ("Transfer-Encoding", "chunked")], chunked(body[:9], body[9:]))

    with seeded() as rng, ThreadPoolExecutor(LINES) as threads:
        seeds = [rng.randrange(2**32) for _ in range(rounds(400))]
        faults = [
            fault
            for faults in threads.map(lambda seed: attack(running_gateway.port, seed, good), seeds)
            for fault in faults
        ]

        assert not faults, faults[:20]
        assert running_gateway.ask("GET", "/healthz").status == 200
