"""Keeps all binds to one SMSC open, reconnects them, and distributes requests over them."""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from itertools import takewhile
from typing import Final
from uuid import UUID

from pipeline.carriers.contract import Listener
from pipeline.carriers.smpp.codes import CommandId, word
from pipeline.carriers.smpp.deliver_sm_handler import DeliverSmHandler, Reader
from pipeline.carriers.smpp.diagnostics import REMARKS, Diagnostic
from pipeline.carriers.smpp.framer import Frame
from pipeline.carriers.smpp.session import Session
from pipeline.carriers.smpp.smpp_options import SessionOptions, SmscTarget
from pipeline.carriers.smpp.submit_exchange import (
    ABANDONED,
    CLOSED,
    NO_TIME,
    STOPPED,
    Request,
    SubmitExchange,
    SubmitFault,
)
from pipeline.carriers.smpp.throttling import Throttling
from pipeline.carriers.tcp_connect import Connector
from schema.carriage import Attempt

log = logging.getLogger(__name__)

#: seconds after which a bind counts as stable, though it carried nothing
HELD: Final = 10.0

#: called with a response that came after its deadline: the message id, or the status that refused it
Late = Callable[[UUID, str | int], None]


class KeptBindState(Enum):
    """The state of one bind."""

    OPENING = auto()
    BOUND = auto()
    #: it failed, and is retried later
    RESTING = auto()


class KeptBind:
    """One bind that is kept open."""

    def __init__(self, command: CommandId) -> None:
        #: which bind it requests next
        self.command = command
        self.state = KeptBindState.OPENING
        self.session: Session | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def sends(self) -> bool:
        """Whether requests can be submitted through it."""
        return self.command is not CommandId.BIND_RECEIVER


class BindPool:
    """The binds of one carrier and the requests that wait for them. Used by the loop's thread only."""

    def __init__(
        self, carrier: str, target: SmscTarget, session_options: SessionOptions, read: Reader, late: Late
    ) -> None:
        self.carrier = carrier
        self._target = target
        self._connector = Connector(target.host, target.port, target.tls, target.connect_timeout, name=target.tls_name)
        self._session_options = session_options
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._handler = DeliverSmHandler(carrier, read)
        self._waiting: deque[Request] = deque()
        self._throttled = Throttling(session_options, self._resubmit)
        #: diagnostics of the SMSC, with their counts
        self.remarks: Counter[Diagnostic] = Counter()
        #: the last failure of a bind
        self.fault = SubmitFault("not_bound", written=False)
        self._turn = 0
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.keepers: list[KeptBind] = []

    # Called by the carrier

    def keep(self, *commands: CommandId) -> None:
        """Keep these binds open from now on, in place of the present ones."""
        for keeper, command in zip(self.keepers, commands, strict=False):
            if keeper.command is not command:
                keeper.command = command
                if keeper.session:
                    self._task(keeper.session.unbind())
        for command in commands[len(self.keepers) :]:
            keeper = KeptBind(command)
            self.keepers.append(keeper)
            keeper.task = self._task(self._keep(keeper))

    def listen(self, listener: Listener) -> None:
        """Pass events to this listener."""
        self._handler.listener = listener

    def note(self, late: Attempt) -> None:
        """Pass on a response that came after its deadline."""
        self._handler.note(late)

    def add(self, call: SubmitExchange, begin_within: float) -> None:
        """Queue a call's requests; those not written within `begin_within` seconds are not sent.

        One-time codes precede all other waiting requests, in their order.
        """
        if self._closing:
            self._fail(call.requests, CLOSED)
            return
        if call.is_urgent:
            self._put_first(call.requests)
        else:
            self._waiting.extend(call.requests)
        call.begin_by = self._loop.time() + begin_within
        call.timer = self._loop.call_at(call.begin_by, self._out_of_time, call)
        self._serve()

    async def close(self) -> None:
        """Unbind everywhere, and settle what still waits as not written."""
        self._closing = True
        self._fail(self._waiting, CLOSED)
        self._fail(self._throttled.clear(), CLOSED)
        for keeper in self.keepers:
            if keeper.state is not KeptBindState.BOUND and keeper.task:
                keeper.task.cancel()
        await self._handler.close()
        await asyncio.gather(*(keeper.session.unbind() for keeper in self.keepers if keeper.session))
        tasks = [keeper.task for keeper in self.keepers if keeper.task]
        await asyncio.gather(*tasks, return_exceptions=True)

    # Called by sessions

    def take(self, free: int, now: float, *, probe: bool = False) -> list[Request]:
        """Return at most `free` requests that are due; of a long message all parts that fit into the window.

        As a probe: those of one message.
        """
        taken: list[Request] = []
        while self._waiting and free:
            request = self._waiting[0]
            if now >= request.call.begin_by:
                self._out_of_time(request.call)
            elif request.call.may_submit and request.call.may_not_submit(request):
                self._fail([self._waiting.popleft()], STOPPED)
            elif self._is_abandoned(request):
                self._fail([self._waiting.popleft()], ABANDONED)
            elif (probe and taken and request.parts) or (
                request.parts > 1 and free < min(request.parts, self._session_options.window)
            ):
                break
            else:
                taken.append(self._waiting.popleft())
                free -= 1
        return taken

    def put_back(self, requests: Sequence[Request]) -> None:
        """Requeue throttled requests: each waits separately, and is refused now if its call ends too soon."""
        if self._closing:  # no bind would submit it any more
            self._fail(list(requests), CLOSED)
            return
        self._fail(self._throttled.add(requests), NO_TIME)
        resumes = self._resumes()
        if resumes > self._loop.time():
            for call in {request.call for request in self._waiting} | self._throttled.calls():
                if call.begin_by <= resumes:
                    self._out_of_time(call)

    def handle(self, session: Session, frames: Sequence[Frame]) -> None:
        """Handle deliver_sm and data_sm of the SMSC."""
        self._handler.take(session, frames)

    def late(self, ref: UUID, result: str | int) -> None:
        """Handle a response that came after its deadline."""
        self._late(ref, result)

    def remark(self, remark: Diagnostic) -> None:
        """Count a diagnostic; the first of each kind is logged."""
        if not self.remarks[remark]:
            log.warning("carrier %(carrier)s: %(remark)s", {"carrier": self.carrier, "remark": REMARKS[remark]})
        self.remarks[remark] += 1

    def released(self) -> None:
        """Let other sessions submit what waits."""
        self._loop.call_soon(self._serve)

    # Keeping binds open

    async def _keep(self, keeper: KeptBind) -> None:
        failures = 0
        while not self._closing:
            keeper.state = KeptBindState.OPENING
            command, began = keeper.command, self._loop.time()
            opened = await self._open(command)
            if isinstance(opened, Session):
                code = await self._use(keeper, opened, command)
                held = opened.useful or opened.leaving or self._loop.time() - began > HELD
                failures = 0 if held else failures + 1
                self.fault = SubmitFault(code, written=False)
            else:
                failures = max(failures + 1, 2)
                self.fault = opened
            if not self._closing:
                said = {"carrier": self.carrier, "fault": self.fault.code}
                log.warning("carrier %(carrier)s: a bind is down: %(fault)s", said)
            # a bind that was stable is retried at once, but only once
            if failures > 1 and not self._closing:
                keeper.state = KeptBindState.RESTING
                self._serve()
                await asyncio.sleep(self._pause(failures))

    async def _use(self, keeper: KeptBind, session: Session, command: CommandId) -> str:
        """Submit requests through a bind until it ends; return why it did."""
        keeper.session, keeper.state = session, KeptBindState.BOUND
        log.info("carrier %(carrier)s: a bind is up", {"carrier": self.carrier})
        if keeper.command is not command:
            self._task(session.unbind())
        self._serve()
        code = await session.over
        keeper.session = None
        return code

    async def _open(self, command: CommandId) -> Session | SubmitFault:
        """Return a bound session, or the failure; any failure is retried."""
        try:
            return await self._bind(command)
        except Exception as error:  # noqa: BLE001 - otherwise the bind would never be retried
            words = "carrier %(carrier)s: a bind could not be opened: %(fault)s"
            log.error(words, {"carrier": self.carrier, "fault": type(error).__name__})
            return SubmitFault("adapter_fault", written=False)

    async def _bind(self, command: CommandId) -> Session | SubmitFault:
        target = self._target
        session = await self._connector.connect(lambda: Session(self, self._session_options))
        if isinstance(session, str):
            return SubmitFault(session, written=False)
        try:
            async with asyncio.timeout(target.bind_timeout):
                fault = await session.bind(command, target.who)
        except TimeoutError:
            fault = SubmitFault("bind_timeout", written=False)
        finally:
            if not session.bound:
                session.end("not_bound")
        return fault or session

    def _pause(self, failures: int) -> float:
        target = self._target
        longest = min(target.reconnect_pause * 2.0 ** min(failures - 2, 20), target.longest_reconnect_pause)
        return longest * random.uniform(0.5, 1)

    # Assigning requests to binds

    def _serve(self) -> None:
        """Offer what waits to the binds in turn; if none is up or about to be, it is settled as not written."""
        if not self._waiting:
            return
        senders = [keeper for keeper in self.keepers if keeper.sends]
        if all(keeper.state is KeptBindState.RESTING for keeper in senders):
            self._fail(self._waiting, self.fault)
            return
        self._turn += 1
        for at in range(len(senders)):
            session = senders[(self._turn + at) % len(senders)].session
            if session:
                session.pull()

    def _put_first(self, requests: Sequence[Request]) -> None:
        """Requeue requests before all others, but behind one-time codes."""
        urgent = sum(1 for _ in takewhile(lambda request: request.call.is_urgent, self._waiting))
        self._waiting.rotate(-urgent)
        self._waiting.extendleft(reversed(requests))
        self._waiting.rotate(urgent)

    def _resubmit(self, requests: Sequence[Request]) -> None:
        """Resubmit throttled requests."""
        self._put_first(requests)
        self._serve()

    def _out_of_time(self, call: SubmitExchange) -> None:
        """Settle a call's requests that were not begun, or wait to be resubmitted."""
        if call.done.is_set():
            return
        late = [request for request in self._waiting if request.call is call]
        self._waiting = deque(request for request in self._waiting if request.call is not call)
        self._fail(late + self._throttled.remove(call), NO_TIME)

    def _fail(self, requests: deque[Request] | list[Request], fault: SubmitFault) -> None:
        """Settle requests that are not submitted, or not again."""
        wait = max(self._resumes() - self._loop.time(), 0)
        for request in list(requests):
            request.call.settle(request.place, self._why(request, fault, wait))
        if requests is self._waiting:
            self._waiting.clear()

    def _why(self, request: Request, fault: SubmitFault, wait: float) -> SubmitFault:
        if request.again and fault is not STOPPED:
            wait = max(wait, request.due_at - self._loop.time(), self._session_options.throttle_pause)
            return SubmitFault("throttled", written=False, retry_after=wait, detail=word(request.again))
        if fault is NO_TIME and wait:
            return SubmitFault("throttled", written=False, retry_after=wait)
        return fault

    def _resumes(self) -> float:
        """Return when the first paused bind may submit again."""
        return min((keeper.session.pressure.paused_until for keeper in self.keepers if keeper.session), default=0.0)

    def _is_abandoned(self, request: Request) -> bool:
        """Return whether it is a part of a message an earlier part of which was not accepted."""
        before = None if request.parts else request.call.results[request.place - 1]
        return before is not None and not isinstance(before, str)

    def _task(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
