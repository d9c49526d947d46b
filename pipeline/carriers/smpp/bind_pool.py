"""All binds to one SMSC: keeps them up, and gives each the requests that it has room for."""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from itertools import takewhile
from typing import Final
from uuid import UUID

from pipeline.carriers.connect import Connector
from pipeline.carriers.contract import Listener
from pipeline.carriers.smpp.codes import CommandId, word
from pipeline.carriers.smpp.deliver_sm_handler import DeliverSmHandler, Reader
from pipeline.carriers.smpp.diagnostics import REMARKS, Diagnostic
from pipeline.carriers.smpp.framer import Frame
from pipeline.carriers.smpp.session import Session
from pipeline.carriers.smpp.smpp_options import SessionOptions, SmscTarget
from pipeline.carriers.smpp.submit_exchange import ABANDONED, CLOSED, NO_TIME, Request, SubmitExchange, SubmitFault
from pipeline.carriers.smpp.throttling import Throttling
from schema.carriage import Attempt

log = logging.getLogger(__name__)

#: seconds after which a bind that did nothing counts as one that held
HELD: Final = 10.0

#: takes the answer about a message that is awaited no longer: its id, or the status that refused it
Late = Callable[[UUID, str | int], None]


class KeptBindState(Enum):
    """How one bind stands."""

    OPENING = auto()
    BOUND = auto()
    #: it failed, and is tried again later
    RESTING = auto()


class KeptBind:
    """One bind that is kept up."""

    def __init__(self, command: CommandId) -> None:
        #: which bind it asks for next
        self.command = command
        self.state = KeptBindState.OPENING
        self.session: Session | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def sends(self) -> bool:
        """Whether requests can go through it."""
        return self.command is not CommandId.BIND_RECEIVER


class BindPool:
    """The binds of one carrier and the requests that wait for them. All of it belongs to the loop's thread."""

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
        self._throttled = Throttling(session_options, self._again)
        #: what an operator should know about the SMSC, and how often
        self.remarks: Counter[Diagnostic] = Counter()
        #: why the last bind that failed did
        self.fault = SubmitFault("not_bound", written=False)
        self._turn = 0
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.keepers: list[KeptBind] = []

    # What a carrier asks of it

    def keep(self, *commands: CommandId) -> None:
        """Keep such binds up from now on, in place of those there are."""
        for keeper, command in zip(self.keepers, commands, strict=False):
            if keeper.command is not command:
                keeper.command = command
                if keeper.session:
                    self._task(keeper.session.leave())
        for command in commands[len(self.keepers) :]:
            keeper = KeptBind(command)
            self.keepers.append(keeper)
            keeper.task = self._task(self._keep(keeper))

    def listen(self, listener: Listener) -> None:
        """Hand what is heard to this ear."""
        self._handler.listener = listener

    def note(self, late: Attempt) -> None:
        """Hand over an answer that nobody awaits any more."""
        self._handler.note(late)

    def add(self, call: SubmitExchange, begin_within: float) -> None:
        """Take a call's requests; those that cannot be written within so many seconds are not.

        Codes go before all else that waits, in the order they come.
        """
        if self._closing:
            self._leave(call.requests, CLOSED)
            return
        if call.is_urgent:
            self._put_first(call.requests)
        else:
            self._waiting.extend(call.requests)
        call.begin_by = self._loop.time() + begin_within
        call.timer = self._loop.call_at(call.begin_by, self._out_of_time, call)
        self._serve()

    async def close(self) -> None:
        """Say goodbye on each bind, and leave what still waits."""
        self._closing = True
        self._leave(self._waiting, CLOSED)
        self._leave(self._throttled.clear(), CLOSED)
        for keeper in self.keepers:
            if keeper.state is not KeptBindState.BOUND and keeper.task:
                keeper.task.cancel()
        await self._handler.close()
        await asyncio.gather(*(keeper.session.leave() for keeper in self.keepers if keeper.session))
        tasks = [keeper.task for keeper in self.keepers if keeper.task]
        await asyncio.gather(*tasks, return_exceptions=True)

    # What a session asks of it

    def take(self, free: int, now: float, *, probe: bool = False) -> list[Request]:
        """Return at most so many requests whose turn has come; of a long message all parts that the window holds.

        As a probe: those of one message.
        """
        taken: list[Request] = []
        while self._waiting and free:
            request = self._waiting[0]
            if now >= request.call.begin_by:
                self._out_of_time(request.call)
            elif self._is_abandoned(request):
                self._leave([self._waiting.popleft()], ABANDONED)
            elif (probe and taken and request.parts) or (
                request.parts > 1 and free < min(request.parts, self._session_options.window)
            ):
                break
            else:
                taken.append(self._waiting.popleft())
                free -= 1
        return taken

    def put_back(self, requests: Sequence[Request]) -> None:
        """Take back what was throttled: each waits by itself, and is refused now where its call's time is too short."""
        if self._closing:  # nobody will serve it any more
            self._leave(list(requests), CLOSED)
            return
        self._leave(self._throttled.add(requests), NO_TIME)
        resumes = self._resumes()
        if resumes > self._loop.time():
            for call in {request.call for request in self._waiting} | self._throttled.calls():
                if call.begin_by <= resumes:
                    self._out_of_time(call)

    def handle(self, session: Session, frames: Sequence[Frame]) -> None:
        """Take what the SMSC says unasked."""
        self._handler.take(session, frames)

    def late(self, ref: UUID, result: str | int) -> None:
        """Take an answer that is awaited no longer."""
        self._late(ref, result)

    def remark(self, remark: Diagnostic) -> None:
        """Count something that an operator should know; the first time of each is logged."""
        if not self.remarks[remark]:
            log.warning("carrier %s: %s", self.carrier, REMARKS[remark])
        self.remarks[remark] += 1

    def released(self) -> None:
        """Let the other sessions have what waits."""
        self._loop.call_soon(self._serve)

    # How a bind is kept up

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
                log.warning("carrier %s: a bind is down: %s", self.carrier, self.fault.code)
            # a bind that stood once is tried again at once, but only once
            if failures > 1 and not self._closing:
                keeper.state = KeptBindState.RESTING
                self._serve()
                await asyncio.sleep(self._pause(failures))

    async def _use(self, keeper: KeptBind, session: Session, command: CommandId) -> str:
        """Let requests through a bind until it is over; return why it is."""
        keeper.session, keeper.state = session, KeptBindState.BOUND
        log.info("carrier %s: a bind is up", self.carrier)
        if keeper.command is not command:
            self._task(session.leave())
        self._serve()
        code = await session.over
        keeper.session = None
        return code

    async def _open(self, command: CommandId) -> Session | SubmitFault:
        """Return a bound session, or why there is none; whatever that is, it is tried again."""
        try:
            return await self._bind(command)
        except Exception as error:  # noqa: BLE001 - a bind that nobody keeps up any more would be gone for good
            log.error("carrier %s: a bind could not be opened: %s", self.carrier, type(error).__name__)
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

    # How requests find their bind

    def _serve(self) -> None:
        """Give what waits to the binds in turn; where there is none, and none about to be, it is not written."""
        if not self._waiting:
            return
        senders = [keeper for keeper in self.keepers if keeper.sends]
        if all(keeper.state is KeptBindState.RESTING for keeper in senders):
            self._leave(self._waiting, self.fault)
            return
        self._turn += 1
        for at in range(len(senders)):
            session = senders[(self._turn + at) % len(senders)].session
            if session:
                session.pull()

    def _put_first(self, requests: Sequence[Request]) -> None:
        """Put requests before all that waits, but behind the codes among it."""
        urgent = sum(1 for _ in takewhile(lambda request: request.call.is_urgent, self._waiting))
        self._waiting.rotate(-urgent)
        self._waiting.extendleft(reversed(requests))
        self._waiting.rotate(urgent)

    def _again(self, requests: Sequence[Request]) -> None:
        """Submit throttled requests again."""
        self._put_first(requests)
        self._serve()

    def _out_of_time(self, call: SubmitExchange) -> None:
        """Settle those of a call's requests that were not begun, or wait to be submitted again."""
        if call.done.is_set():
            return
        late = [request for request in self._waiting if request.call is call]
        self._waiting = deque(request for request in self._waiting if request.call is not call)
        self._leave(late + self._throttled.remove(call), NO_TIME)

    def _leave(self, requests: deque[Request] | list[Request], fault: SubmitFault) -> None:
        """Settle requests that are not written, or not again."""
        wait = max(self._resumes() - self._loop.time(), 0)
        for request in list(requests):
            request.call.settle(request.place, self._why(request, fault, wait))
        if requests is self._waiting:
            self._waiting.clear()

    def _why(self, request: Request, fault: SubmitFault, wait: float) -> SubmitFault:
        if request.again:
            wait = max(wait, request.due_at - self._loop.time(), self._session_options.throttle_pause)
            return SubmitFault("throttled", written=False, retry_after=wait, detail=word(request.again))
        if fault is NO_TIME and wait:
            return SubmitFault("throttled", written=False, retry_after=wait)
        return fault

    def _resumes(self) -> float:
        """Return when the first of the binds may send again."""
        return min((keeper.session.pressure.paused_until for keeper in self.keepers if keeper.session), default=0.0)

    def _is_abandoned(self, request: Request) -> bool:
        """Return whether it is a part whose message has lost an earlier one."""
        before = None if request.parts else request.call.results[request.place - 1]
        return before is not None and not isinstance(before, str)

    def _task(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
