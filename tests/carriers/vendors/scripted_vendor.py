"""A scripted vendor: an HTTP server that responds in a vendor's documented formats only."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import httptools

from pipeline.carriers.http1 import new_event_loop
from pipeline.carriers.simulator_log import Oracle, OracleDecision, OracleLog
from pipeline.carriers.simulator_script import ScriptedOutcome, read
from pipeline.carriers.vendors.vendor_client import VendorCarrier
from schema.carriage import Parcel
from tests.carriers.conformance import DEADLINE, WINDOW
from tests.carriers.simulator import read_log

_LINGER_NOT = struct.pack("ii", 1, 0)
_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True)
class Call:
    """One request to the vendor's API."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """Return the fields of a form body."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, errors="surrogatepass"))

    def query(self) -> dict[str, str]:
        """Return the fields of the query."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True, errors="surrogatepass"))

    def json(self) -> Any:
        """Return the parsed JSON body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Said:
    """A message as the vendor parsed it."""

    #: our reference, or the number where the API has no reference
    ref: str
    to: str
    text: str


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    def spelt(self) -> bytes:
        """Return the bytes of the response."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        head = [f"HTTP/1.1 {_PHRASES[self.status]}", "content-type: application/json"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*head, f"content-length: {len(body)}"]).encode() + b"\r\n\r\n" + body


class Tongue(Protocol):
    """One vendor's request parser and response formats."""

    def receive(self, call: Call) -> Said | Reply:
        """Parse a message, or return the response to another request."""
        ...

    def accept(self, said: Said, given: str) -> Reply:
        """Return the response to an accepted message, with this message id."""
        ...

    def refuse(self, code: str) -> Reply:
        """Return a permanent refusal; `rejected` stands for a code of the vendor's choice."""
        ...

    def later(self, code: str) -> Reply:
        """Return a temporary refusal; `busy` and `down` stand for codes of the vendor's choice."""
        ...

    def throttle(self, seconds: str) -> Reply:
        """Return the response to exceeding the rate limit."""
        ...


class ScriptedVendor:
    """The vendor's server: its script, log, and the most messages that were in flight."""

    def __init__(self, tongue: Tongue, path: Path) -> None:
        self.tongue, self.path = tongue, path
        self._log = OracleLog(path)
        self.calls: list[Call] = []
        self.in_flight = self.peak = 0
        self.play({})

    def play(self, script: dict[str, Any]) -> None:
        """Replace the script."""
        self.oracle = Oracle("alpha", read("alpha", script), self._log)

    def take(self, said: Said) -> OracleDecision:
        """Decide a message's outcome and log it."""
        decision = self.oracle.judge(said.ref, said.to, said.text, time.time())
        self.oracle.write_down()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        return decision

    def close(self) -> None:
        """Close the log."""
        self._log.close()


class Api(asyncio.Protocol):
    """One HTTP connection to the vendor."""

    def __init__(self, scripted_vendor: ScriptedVendor, apis: "set[Api]") -> None:
        self._scripted_vendor, self._apis = scripted_vendor, apis
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body, self._waits = b"", b"", False
        self._headers: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._apis.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._apis.discard(self)
        self._answered()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        call = Call(self._parser.get_method().decode(), self._url.decode(), self._headers, self._body)
        self._url, self._body, self._headers = b"", b"", {}
        self._scripted_vendor.calls.append(call)
        events = self._scripted_vendor.tongue.receive(call)
        if isinstance(events, Reply):
            self.transport.write(events.spelt())
            return
        decision = self._scripted_vendor.take(events)
        self._waits = True
        script, turn = self._scripted_vendor.oracle.script, decision.turn
        wait = script.latency + (float(turn.argument) if turn.word is ScriptedOutcome.SLOW else 0)
        if wait:
            asyncio.get_running_loop().call_later(wait, self._meet, events, decision)
        else:
            self._meet(events, decision)

    def _meet(self, said: Said, decision: OracleDecision) -> None:
        word, argument, tongue = decision.turn.word, decision.turn.argument, self._scripted_vendor.tongue
        replies: dict[ScriptedOutcome, Callable[[], Reply]] = {
            ScriptedOutcome.REFUSE: lambda: tongue.refuse(argument),
            ScriptedOutcome.REFUSE_TRANSIENT: lambda: tongue.later(argument),
            ScriptedOutcome.QUEUE_FULL: lambda: tongue.later("busy"),
            ScriptedOutcome.NACK: lambda: tongue.later("busy"),
            ScriptedOutcome.THROTTLE: lambda: tongue.throttle(argument),
            ScriptedOutcome.BAD_GATEWAY: lambda: Reply(502, b"<h1>Bad Gateway</h1>"),
            ScriptedOutcome.GATEWAY_TIMEOUT: lambda: Reply(504, b""),
            ScriptedOutcome.GARBAGE: lambda: Reply(tongue.accept(said, "x").status, b'{"id": \xff\x00'),
        }
        if word in (ScriptedOutcome.SILENT, ScriptedOutcome.HALF_OPEN):
            return
        self._answered()
        if word is ScriptedOutcome.HANG_UP:
            self.transport.close()
            return
        if word is ScriptedOutcome.TRICKLE:
            self._trickle(tongue.accept(said, str(decision.carrier_id)).spelt(), 1 / float(argument))
            return
        if word in (ScriptedOutcome.RESET, ScriptedOutcome.DROP):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self.transport.abort()
        else:
            reply = replies.get(word, lambda: tongue.accept(said, str(decision.carrier_id)))()
            self.transport.write(reply.spelt())

    def _trickle(self, left: bytes, pause: float) -> None:
        if left and not self.transport.is_closing():
            self.transport.write(left[:1])
            asyncio.get_running_loop().call_later(pause, self._trickle, left[1:], pause)

    def _answered(self) -> None:
        if self._waits:
            self._scripted_vendor.in_flight -= 1
            self._waits = False


@contextmanager
def playing(tongue: Tongue, path: Path) -> Iterator[tuple[str, ScriptedVendor]]:
    """Run the vendor in a thread of the test process; yield its URL and itself."""
    reported: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Queue()
    scripted_vendor, apis = ScriptedVendor(tongue, path), set[Api]()

    async def run() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(lambda: Api(scripted_vendor, apis), "127.0.0.1", 0)
        reported.put((loop, stop, server.sockets[0].getsockname()[1]))
        await stop.wait()
        server.close()
        for connection in list(apis):
            connection.transport.abort()
        await asyncio.sleep(0.01)

    def thread() -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(run())

    running = Thread(target=thread, name="vendor")
    running.start()
    loop, stop, port = reported.get(timeout=10)
    try:
        yield f"http://127.0.0.1:{port}", scripted_vendor
    finally:
        loop.call_soon_threadsafe(stop.set)
        running.join(10)
        scripted_vendor.close()


class VendorRig:
    """The conformance rig of one vendor's carrier kind."""

    def __init__(
        self,
        make: Callable[[str, dict[str, Any]], VendorCarrier],
        settings: dict[str, Any],
        url: str,
        other: ScriptedVendor,
    ) -> None:
        self._make, self._settings, self.url, self.other = make, settings, url, other
        self.made: list[VendorCarrier] = []

    def carrier(self, script: dict[str, Any] | None = None, **settings: object) -> VendorCarrier:
        self.other.play(script or {})
        return self.at(self.url, **settings)

    def away(self) -> VendorCarrier:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return self.at(f"http://127.0.0.1:{port}")

    def at(self, url: str, **more: object) -> VendorCarrier:
        """Return a carrier for the vendor at a URL."""
        limits = {"window": WINDOW, "deadline": DEADLINE, "call_deadline": 40}
        settings = {
            key: value.replace("URL", url) if isinstance(value, str) else value
            for key, value in {"base_url": "URL", **self._settings}.items()
        }
        self.made.append(self._make("alpha", {**settings, **limits, **more}))
        return self.made[-1]

    def log(self) -> list[dict[str, Any]]:
        return read_log(self.other.path)

    def peak(self) -> int:
        return self.other.peak

    def mark(self, given: Parcel) -> str:
        return str(given.ref) if getattr(self.other.tongue, "echoes", True) else given.to

    def close(self) -> None:
        """Close all carriers."""
        for carrier in self.made:
            carrier.close()


@contextmanager
def rigged(
    make: Callable[[str, dict[str, Any]], VendorCarrier], settings: dict[str, Any], tongue: Tongue, path: Path
) -> Iterator[VendorRig]:
    """Yield the rig of one vendor."""
    with playing(tongue, path / "oracle.jsonl") as (url, other):
        rig = VendorRig(make, settings, url, other)
        yield rig
        rig.close()
