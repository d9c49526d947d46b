"""One SMPP session (bind): a TCP connection, its window of requests in flight, and the PDUs the SMSC initiates."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast
from uuid import UUID

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import RESPONSE, SEQUENCE_MAX, CommandId, CommandStatus, name, word
from pipeline.carriers.smpp.diagnostics import Diagnostic
from pipeline.carriers.smpp.framer import Frame, Framer, ProtocolFault
from pipeline.carriers.smpp.smpp_options import SessionOptions
from pipeline.carriers.smpp.submit_exchange import Request, SubmitFault
from pipeline.carriers.smpp.throttling import ThrottlePressure

log = logging.getLogger(__name__)

#: timed-out requests that are remembered, as they may still be answered
REMEMBERED: Final = 10_000
#: seconds the SMSC has for unbind_resp
UNBIND_TIMEOUT: Final = 2.0
#: seconds in which a delayed loop reads what was received meanwhile
BREATH: Final = 0.005
#: messages that only an SMSC sends
_EVENTS = frozenset({CommandId.DELIVER_SM, CommandId.DATA_SM})
#: requests without a response
_REMARKS = frozenset({CommandId.ALERT_NOTIFICATION, CommandId.OUTBIND})

#: the responses to binds, of any kind
_BIND_RESPS = frozenset(
    {CommandId.BIND_RECEIVER_RESP, CommandId.BIND_TRANSMITTER_RESP, CommandId.BIND_TRANSCEIVER_RESP}
)
_SUBMIT: Final = 0x00000004
_SUBMIT_RESP: Final = 0x80000004


class SessionOwner(Protocol):
    """What a session needs of its owner, the bind pool."""

    def take(self, free: int, now: float, *, probe: bool = False) -> Sequence[Request]:
        """Return at most `free` requests that are due; as a probe, those of one message."""
        ...

    def put_back(self, requests: Sequence[Request]) -> None:
        """Requeue throttled requests: each is resubmitted after a pause of its own."""
        ...

    def handle(self, session: "Session", frames: Sequence[Frame]) -> None:
        """Handle deliver_sm and data_sm; `Session.reply` sends the responses later."""
        ...

    def late(self, ref: UUID, result: str | int) -> None:
        """Handle a response after its deadline: the message's id, or the status that refused it."""
        ...

    def remark(self, remark: Diagnostic) -> None:
        """Count a diagnostic of the SMSC."""
        ...

    def released(self) -> None:
        """Handle that the session accepts requests again, or has ended."""
        ...


class Session(asyncio.Protocol):
    """One bind. Created by the event loop's `create_connection`; all its methods belong to the loop's thread."""

    def __init__(self, line: SessionOwner, session_options: SessionOptions) -> None:
        self._line = line
        self._session_options = session_options
        self._loop = asyncio.get_running_loop()
        self._framer = Framer()
        self._sequence = 0
        self._open: dict[int, Request] = {}
        #: sequence number → our reference of timed-out requests
        self._expired: dict[int, UUID] = {}
        self._bound = False
        #: it submits nothing more, and unbinds
        self.leaving = False
        #: a request timed out and nothing was received since: no further request is sent until something is
        self._doubtful = False
        #: the open bind: its response's command, its sequence number, and what its response says
        self._bind: tuple[int, int, asyncio.Future[SubmitFault | None]] | None = None
        self._code = ""
        self._events = 0
        self._received_at = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._drained: asyncio.Future[None] | None = None
        self.pressure = ThrottlePressure(session_options)
        #: a request was accepted, or a message received and stored: the bind works
        self.useful = False
        #: responses that matched no request
        self.strays = 0
        #: code of the session's end
        self.over: asyncio.Future[str] = self._loop.create_future()

    # Called by the owner

    async def bind(self, command: CommandId, who: pdu.BindPdu) -> SubmitFault | None:
        """Send a bind; return None, or its failure. Waits as long as the SMSC takes."""
        sequence = self._next()
        future: asyncio.Future[SubmitFault | None] = self._loop.create_future()
        self._bind = (command | RESPONSE, sequence, future)
        self._transport.write(pdu.bind(command, sequence, who))
        fault = await future
        if fault is None and not self.over.done():
            self._bound = True
            self._later("enquire", self._session_options.enquire_link, self._enquire)
        return fault

    @property
    def open(self) -> int:
        """Number of requests in flight."""
        return len(self._open)

    @property
    def received_at(self) -> float:
        """When a PDU was received last, by the loop's clock: `time.monotonic`."""
        return self._received_at

    @property
    def bound(self) -> bool:
        """Whether it is bound."""
        return self._bound

    def pull(self) -> None:
        """Write, at once, the requests that are due and fit into the window."""
        free = self._session_options.window - len(self._open)
        if free <= 0 or not self._bound or self.leaving or self._doubtful or self._transport.is_closing():
            return
        now = self._loop.time()
        pressure = self.pressure
        if now < pressure.paused_until or (pressure.is_probing and self._open):
            return
        requests = self._line.take(free, now, probe=pressure.is_probing)
        if not requests:
            return
        until = now + self._session_options.deadline
        whole: list[bytes] = []
        for request in requests:
            sequence = self._next()
            request.call.note_sent(request, until)
            self._open[sequence] = request
            whole.append(pdu.pdu(request.command, sequence, request.body))
        self._transport.write(b"".join(whole))
        if "expire" not in self._timers:
            self._later("expire", self._session_options.deadline, self._expire_soon)

    def reply(self, octets: bytes) -> None:
        """Write responses; if the session is over they are dropped: the SMSC will repeat its requests."""
        if not self._transport.is_closing():
            self._transport.write(octets)

    async def unbind(self) -> None:
        """Wait for outstanding responses, unbind and close; return when the connection is closed."""
        self.leaving = True
        if self._open and not self.over.done():
            self._drained = self._drained or self._loop.create_future()
            await self._drained
        if self._bound and not self._transport.is_closing():
            self._transport.write(pdu.unbind(self._next()))
            await asyncio.wait([self.over], timeout=UNBIND_TIMEOUT)
        self.end("closed")
        await self.over

    def end(self, code: str) -> None:
        """Close at once; requests in flight get a fault with this code."""
        self._code = self._code or code
        self._transport.abort()

    # Callbacks of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        try:
            frames, fault = self._framer.feed(data), None
        except ProtocolFault as error:
            frames, fault = error.frames, error
        if frames:  # half a PDU is no sign of life: the rest may never come
            self._events += 1
            self._received_at = self._loop.time()
            self._doubtful = False
        answers = self._open
        again: list[Request] = []
        others: list[Frame] = []
        for frame in frames:
            command, status, sequence, body = frame
            request = answers.get(sequence) if command == _SUBMIT_RESP else None
            if request is None or request.command != _SUBMIT:
                others.append(frame)
            elif status == 0:
                del answers[sequence]
                self.useful = True
                request.call.settle(request.place, pdu.read_submit_resp(body))
            else:
                del answers[sequence]
                self._refused(request, status, again)
        taken = len(frames) - len(others) - len(again)
        if others:
            self._listen(others, again)
        if again or self.pressure.excess:
            self._measure(taken, again)
        if fault:
            self.end("unreadable")
        elif not answers and self._drained and not self._drained.done():
            self._drained.set_result(None)
        else:
            self.pull()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._bound = False
        code = self._code or ("reset" if exc else "closed")
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for request in self._open.values():
            request.call.settle(request.place, SubmitFault(code, written=True))
        self._open.clear()
        if self._drained and not self._drained.done():
            self._drained.set_result(None)
        self._answer_bind(SubmitFault(code, written=False))
        self.over.set_result(code)
        self._line.released()

    # Received PDUs

    def _refused(self, request: Request, status: int, again: list[Request]) -> None:
        """Settle a refused request, or add it to those that wait."""
        if status not in self._session_options.waits:
            request.call.settle(request.place, status)
            return
        request.again = status
        request.throttled += 1
        request.call.note_throttled(request)
        again.append(request)

    def _measure(self, taken: int, throttled: list[Request]) -> None:
        """Delay throttled requests; where most responses throttle, pause the whole window."""
        if pause := self.pressure.measure(taken, len(throttled), self._loop.time()):
            self._later("resume", pause, self._resume)
        if throttled:
            self._line.put_back(throttled)

    def _listen(self, frames: Sequence[Frame], again: list[Request]) -> None:
        """Handle PDUs other than responses to a submit_sm in flight."""
        events = []
        replies = []
        for frame in frames:
            command, _, sequence, _ = frame
            if command in _EVENTS:
                events.append(frame)
            elif command & RESPONSE:
                self._answered(frame, again)
            elif command == CommandId.ENQUIRE_LINK:
                replies.append(pdu.enquire_link_resp(sequence))
            elif command == CommandId.UNBIND:
                replies.append(pdu.unbind_resp(sequence))
                self._code = "unbound"
            elif command not in _REMARKS:
                replies.append(pdu.generic_nack(sequence, CommandStatus.RINVCMDID))
        if replies:
            self.reply(b"".join(replies))
        if events:
            self._line.handle(self, events)
        if self._code == "unbound":
            self._close_unbound()

    def _answered(self, frame: Frame, again: list[Request]) -> None:
        """Match a response with its request."""
        command, status, sequence, body = frame
        nack = command == CommandId.GENERIC_NACK
        if self._bind and (nack or command in _BIND_RESPS):
            response, number, _ = self._bind
            self._handle_bind_resp(frame, response, number)
            return
        request = self._open.get(sequence)
        if request and (nack or command == request.command | RESPONSE):
            del self._open[sequence]
            if status:
                self._refused(request, status, again)
            else:  # a generic_nack without an error status has no meaning
                request.call.settle(request.place, SubmitFault("generic_nack", written=True) if nack else body)
        elif command == CommandId.UNBIND_RESP and self.leaving:
            self.end("closed")
        elif ref := self._expired.pop(sequence, None):
            self._answered_late(ref, frame)
        elif command not in (CommandId.ENQUIRE_LINK_RESP, CommandId.UNBIND_RESP):
            self.strays += 1
            log.debug("a response without a request: %(command)s", {"command": name(command)})

    def _answered_late(self, ref: UUID, frame: Frame) -> None:
        """Hand over the response to a submit_sm that was given up as unknown."""
        command, status, _, body = frame
        if status or command == _SUBMIT_RESP:
            self._line.late(ref, status or pdu.read_submit_resp(body))

    def _handle_bind_resp(self, frame: Frame, command: int, sequence: int) -> None:
        """Accept any bind_resp as the response to our bind: no other request is open. Deviations become diagnostics."""
        answer, status, number, _ = frame
        nack = answer == CommandId.GENERIC_NACK
        if not nack and answer != command:
            self._line.remark(Diagnostic.BIND_RESP_KIND)
        if not nack and number != sequence:
            self._line.remark(Diagnostic.BIND_RESP_SEQUENCE)
        code = word(status) if status else "generic_nack"
        self._answer_bind(SubmitFault(code, written=False) if status or nack else None)

    def _answer_bind(self, fault: SubmitFault | None) -> None:
        if self._bind:
            _, _, answered = self._bind
            if not answered.done():
                answered.set_result(fault)
        self._bind = None

    def _close_unbound(self) -> None:
        """Close after our unbind_resp, as the SMSC asked; requests in flight remain unanswered."""
        for request in self._open.values():
            request.call.settle(request.place, SubmitFault("unbound", written=True))
        self._open.clear()
        self._bound = False
        self._transport.close()
        self._later("unbind", UNBIND_TIMEOUT, self._transport.abort)

    # Timers

    def _expire_soon(self) -> None:
        """Read what was received meanwhile first: a delayed loop runs its timers before its sockets."""
        self._later("expire", BREATH, self._expire)

    def _expire(self) -> None:
        """Time requests out; if nothing else was received either, send an enquire_link."""
        now = self._loop.time()
        youngest = 0.0
        while self._open:
            sequence, request = next(iter(self._open.items()))
            if request.until > now:
                self._later("expire", request.until - now, self._expire_soon)
                break
            youngest = max(youngest, request.until - self._session_options.deadline)
            self._remember(sequence, self._open.pop(sequence))
            request.call.settle(request.place, SubmitFault("timeout", written=True))
        if self._received_at <= youngest:  # older ones may have left with others that were answered
            self._doubtful = True
            self._enquire()
        if not self._open and self._drained and not self._drained.done():
            self._drained.set_result(None)
        self.pull()

    def _remember(self, sequence: int, request: Request) -> None:
        """Remember a timed-out request, whose response may still come."""
        if request.parts == 1 and request.command == CommandId.SUBMIT_SM:
            if len(self._expired) >= REMEMBERED:
                del self._expired[next(iter(self._expired))]
            self._expired[sequence] = request.call.refs[request.place]

    def _enquire(self) -> None:
        """Send an enquire_link."""
        events = self._events
        wait = min(self._session_options.deadline, self._session_options.enquire_link)

        def check() -> None:
            if self._events == events:
                self.end("silent")
            else:
                self._later("enquire", max(0, self._session_options.enquire_link - wait), self._enquire)

        self._transport.write(pdu.enquire_link(self._next()))
        self._later("enquire", wait, lambda: self._later("enquire", BREATH, check))

    def _resume(self) -> None:
        self.pressure.paused_until = 0.0  # a timer may fire slightly early
        self.pull()
        self._line.released()

    def _later(self, what: str, seconds: float, act: Callable[[], None]) -> None:
        """Schedule a call in this many seconds, in place of the one scheduled under the same name."""
        if what in self._timers:
            self._timers[what].cancel()

        def strike() -> None:
            del self._timers[what]
            act()

        self._timers[what] = self._loop.call_later(seconds, strike)

    def _next(self) -> int:
        """Return the next sequence number that is not in use."""
        while True:
            self._sequence = self._sequence % SEQUENCE_MAX + 1
            if self._sequence not in self._open and self._sequence not in self._expired:
                return self._sequence
