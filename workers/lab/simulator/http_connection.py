"""One HTTP/1.1 connection to the simulator, parsed by httptools; responses follow the carrier's script.

`pipeline/carriers/http.py` describes the protocol of messages. Beside it:

    GET  /healthz             200 {"ok": true}
    GET  /{carrier}/stats     counts of decisions, messages in flight, receipts
    GET  /{carrier}/script    the current script
    PUT  /{carrier}/script    replaces the script, or adds a carrier (400 names the invalid key)
    POST /{carrier}/inbound   {"from", "to", "text"}: an MO message, sent as receipts are
    GET  /{carrier}/log       the oracle's log of it, as JSON lines
"""

import asyncio
import json
import socket
import struct
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import httptools

from pipeline.carriers.simulator_log import OracleDecision
from pipeline.carriers.simulator_script import ScriptedOutcome
from pipeline.errors import ConfigurationError
from workers.lab.simulator.simulated_carrier import SimulatedCarrier, SimulatedCarriers
from workers.lab.simulator.slow_writer import SlowWriter

#: largest request in bytes
LONGEST = 1_000_000
#: the HTTP status of each refusal
REFUSALS = {
    ScriptedOutcome.REFUSE: 422,
    ScriptedOutcome.REFUSE_TRANSIENT: 503,
    ScriptedOutcome.THROTTLE: 429,
    ScriptedOutcome.QUEUE_FULL: 503,
    ScriptedOutcome.NACK: 405,
}
#: the code of refusals without an argument
CODES = {ScriptedOutcome.THROTTLE: "throttled", ScriptedOutcome.QUEUE_FULL: "queue_full", ScriptedOutcome.NACK: "nack"}
#: outcomes without a response
MUTE = frozenset({ScriptedOutcome.SILENT, ScriptedOutcome.HALF_OPEN})
#: responses without a meaning
MEANINGLESS = {
    ScriptedOutcome.BAD_GATEWAY: (502, b"<h1>Bad Gateway</h1>"),
    ScriptedOutcome.GATEWAY_TIMEOUT: (504, b""),
    ScriptedOutcome.GARBAGE: (202, b'{"id": \xff\x00'),
}
#: seconds until a half-open connection is closed: without reading, the peer's close is not seen
HALF_OPEN = 120.0
_NO_LINGER = struct.pack("ii", 1, 0)


class SimulatorHttpConnection(asyncio.Protocol):
    """Reads and answers one request at a time."""

    def __init__(self, carriers: SimulatedCarriers, connections: "set[SimulatorHttpConnection]") -> None:
        self._carriers = carriers
        #: all open connections
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._url = b""
        #: the carrier whose message is being answered, and the timer of the response
        self._simulated: SimulatedCarrier | None = None
        self._answer: asyncio.TimerHandle | None = None

    def hang_up(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # Callbacks of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # our own error, such as a full disk: the loop logs it and closes
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._write(400, _error("bad_request", "this is not HTTP/1.1"), close=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._connections.discard(self)
        if self._answer:
            self._answer.cancel()
        self._answered()

    # Callbacks of the parser

    def on_url(self, url: bytes) -> None:  # noqa: D102
        self._url += url

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._body += body
        if len(self._body) > LONGEST:
            self._transport.abort()

    def on_message_complete(self) -> None:  # noqa: D102
        url, body, self._url, self._body = self._url, self._body, b"", b""
        if self._simulated:  # pipelined requests are not supported
            self.hang_up()
            return
        name, _, what = unquote(url.partition(b"?")[0].decode("latin-1")).strip("/").partition("/")
        simulated = self._carriers.by_name.get(name)
        if simulated and what == "messages" and self._parser.get_method() == b"POST":
            self._take(simulated, body)
        else:
            self._control(name, what, body)

    def _take(self, simulated: SimulatedCarrier, body: bytes) -> None:
        try:
            decision = simulated.take(json.loads(body))
        except ValueError as error:
            self._write(400, _error("bad_request", str(error)))
            return
        self._simulated = simulated
        simulated.begin()
        turn, script = decision.turn, simulated.oracle.script
        wait = script.latency + (float(turn.argument) if turn.word is ScriptedOutcome.SLOW else 0)
        if wait:
            self._answer = asyncio.get_running_loop().call_later(wait, self._act, decision)
        else:
            self._act(decision)

    def _act(self, decision: OracleDecision) -> None:
        """Carry out the scripted outcome."""
        word, argument = decision.turn.word, decision.turn.argument
        if word in MUTE:
            if word is ScriptedOutcome.HALF_OPEN:
                self._transport.pause_reading()
                self._answer = asyncio.get_running_loop().call_later(HALF_OPEN, self.hang_up)
            return
        if word is ScriptedOutcome.TRICKLE:
            SlowWriter(self._transport, float(argument)).add(
                _answer(202, b'{"id": "%s"}' % str(decision.carrier_id).encode())
            )
            return
        self._answered()
        if word in REFUSALS:
            code = CODES.get(word, argument)
            headers = f"retry-after: {argument}\r\n" if word is ScriptedOutcome.THROTTLE else ""
            self._write(REFUSALS[word], _error(code, "scripted"), headers)
        elif word in MEANINGLESS:
            self._write(*MEANINGLESS[word])
        elif word is ScriptedOutcome.HANG_UP:
            self._transport.close()
        elif word in (ScriptedOutcome.RESET, ScriptedOutcome.DROP):
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()
        else:
            self._write(202, b'{"id": "%s"}' % str(decision.carrier_id).encode())

    def _answered(self) -> None:
        if self._simulated:
            self._simulated.in_flight -= 1
            self._simulated = None

    def _control(self, name: str, what: str, body: bytes) -> None:
        simulated = self._carriers.by_name.get(name)
        try:
            match self._parser.get_method(), name, what:
                case b"GET", "healthz", "":
                    self._write(200, b'{"ok": true}')
                case b"PUT", _, "script" if name:
                    self._carriers.play(name, json.loads(body))
                    self._write(200, b'{"ok": true}')
                case b"GET", _, "script" if simulated:
                    self._write(200, json.dumps(simulated.given).encode())
                case b"GET", _, "stats" if simulated:
                    self._write(200, json.dumps(simulated.stats()).encode())
                case b"POST", _, "inbound" if simulated:
                    self._write(202, json.dumps({"by": simulated.inbound(json.loads(body))}).encode())
                case b"GET", _, "log" if simulated:
                    self._write(200, self._carriers.record(name))
                case _:
                    self._write(404, _error("not_found", "no such carrier or resource"))
        except (ConfigurationError, ValueError) as error:
            self._write(400, _error("bad_request", str(error)))

    def _write(self, status: int, body: bytes, headers: str = "", close: bool = False) -> None:
        self._transport.write(_answer(status, body, headers))
        if close or not self._parser.should_keep_alive():
            self._transport.close()


def _answer(status: int, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {_PHRASES[status]}\r\ncontent-type: application/json\r\n{headers}"
    return b"%scontent-length: %d\r\n\r\n%s" % (head.encode(), len(body), body)


def _error(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
