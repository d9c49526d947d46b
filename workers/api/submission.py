"""Where all doors bring what was asked: calls that arrive together ride one transaction and one hint."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from pipeline.dialects.contract import SendRequest
from pipeline.dialects.registry import capacities
from pipeline.errors import DatabaseFault, ShortOfFunds
from pipeline.runtime import Runtime
from pipeline.stages.accept import AcceptResult, accept
from pipeline.stages.admit import admit
from pipeline.stages.api.authenticate import Credentials, Denied, authenticate
from pipeline.stages.api.rate_limit import Refused, rate_limit
from pipeline.stages.api.response import answer, recall
from pipeline.stages.api.verification import open_challenges
from pipeline.stages.bill import bill_all
from pipeline.stages.ingest import ingest
from schema.api import ApiKey, ApiResponse, Challenge
from schema.message import Accepted, Admission, Answered, Hint
from workers.api.hint_publisher import HintPublisher
from workers.api.memory_limit import MemoryLimit
from workers.api.unauthenticated import FailedCalls, ReadBudget
from workers.gateway.micro_batch import MicroBatch, in_time
from workers.server_urls import broker_url

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: calls one transaction takes; and recipients above which a call goes alone
_TOGETHER, _LARGE = 500, 100
#: seconds a large call may take, the large ones before it included
_LARGE_CALL = 60.0
#: seconds for which a call that failed for the database's sake speaks of its health
_RECENT = 30.0


@dataclass(frozen=True, slots=True)
class _Guided(Generic[T, R]):
    """What is to be sent depends on what a stage finds."""

    item: T
    make: Callable[[R], SendRequest | ApiResponse]


#: what answers a sending before it is carried: what was answered under its key, or the limit that refused it
Verdict = Accepted | Refused | None


class SubmissionService:
    """The stages as the doors call them: without blocking the loop, and together where many call at once."""

    def __init__(self, rt: Runtime) -> None:
        """Make the desk; threads start with the first call."""
        self.rt = rt
        self.memory_limit = MemoryLimit()
        #: for bodies that must be read to know whose they are
        self.room = ReadBudget()
        self.failures = FailedCalls()
        self._threads = ThreadPoolExecutor(max(2, rt.settings.pool_size), "desk")
        # large requests wait for each other, and never stand in the way of the small
        self._large_call = ThreadPoolExecutor(1, "freight")
        self._hint_publisher = HintPublisher(rt, broker_url(rt.settings))
        self._knocks: MicroBatch[Credentials, ApiKey | Denied] = self._micro_batch(partial(authenticate, rt))
        self._sendings: MicroBatch[SendRequest, Answered | Refused | Exception] = self._micro_batch(self._send)
        #: when a call failed last for the database's sake, and no send was written since
        self._failed_at: float | None = None
        self._questions: dict[Callable[..., Any], MicroBatch[Any, Any]] = {}
        self._guided: dict[Callable[..., Any], MicroBatch[Any, Any]] = {}

    @property
    def is_failing(self) -> bool:
        """Tell whether a call failed lately for the database's sake, and no send was written since."""
        return self._failed_at is not None and time.monotonic() - self._failed_at < _RECENT

    def note(self, fault: DatabaseFault) -> None:
        """Note that the database kept a call from being done, unless that is the fault of what was asked."""
        if not fault.is_final:
            self._failed_at = time.monotonic()

    async def authenticate(self, credentials: Credentials) -> ApiKey | Denied:
        """Return the key that the knock proves, or why its caller is turned away."""
        return (await self._knocks.add([credentials]))[0]

    async def send(self, sending: SendRequest) -> Answered | Refused:
        """Return the answer to what is to be sent, once it is written and paid for, or the limit that refused it."""
        [found] = await self.send_all([sending])
        if isinstance(found, Exception):
            raise found
        return found

    async def send_all(self, sendings: Sequence[SendRequest]) -> Sequence[Answered | Refused | Exception]:
        """Return the answer to each sending, in order, or the fault it had of its own: they ride one transaction."""
        if not sendings:
            return []
        if sum(len(sending.order.recipients) for sending in sendings) <= _LARGE:
            return await self._sendings.add(sendings)
        return await in_time(
            asyncio.get_running_loop().run_in_executor(self._large_call, self._send, sendings), _LARGE_CALL
        )

    async def send_found(
        self,
        stage: Callable[[Runtime, Sequence[T]], Sequence[R]],
        item: T,
        make: Callable[[R], SendRequest | ApiResponse],
    ) -> tuple[SendRequest, Answered | Refused] | ApiResponse:
        """Have sent what `make` makes of what a stage, which takes many at once, finds of this item.

        Returns it with its answer, or the reply that `make` made instead. It is one gather where `ask` and `send` are
        two; `make` runs in a thread.
        """
        micro_batch = self._guided.get(stage)
        if micro_batch is None:
            micro_batch = self._guided[stage] = self._micro_batch(partial(self._send_found, stage))
        [found] = await micro_batch.add([_Guided(item, make)])
        if isinstance(found, Exception):
            raise found
        answer: tuple[SendRequest, Answered | Refused] | ApiResponse = found
        return answer

    async def run(self, stage: Callable[Concatenate[Runtime, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a stage returns, run in a thread."""
        call = partial(stage, self.rt, *args, **kwargs)
        return await in_time(asyncio.get_running_loop().run_in_executor(self._threads, call))

    async def ask(self, stage: Callable[[Runtime, Sequence[T]], Sequence[R]], item: T) -> R:
        """Return what a stage that takes many at once makes of this one; callers who ask together share one run."""
        micro_batch = self._questions.get(stage)
        if micro_batch is None:
            micro_batch = self._questions[stage] = self._micro_batch(partial(stage, self.rt))
        answer: R = (await micro_batch.add([item]))[0]
        return answer

    def close(self) -> None:
        """End the threads when their work is done; close the runtime."""
        self._threads.shutdown()
        self._large_call.shutdown()
        self._hint_publisher.close()
        self.rt.close()

    def _micro_batch(self, work: Callable[[list[T]], Sequence[R]]) -> MicroBatch[T, R]:
        return MicroBatch(work, self._threads, most=_TOGETHER, seconds=self.rt.settings.gather_seconds)

    def _send_found(
        self, stage: Callable[[Runtime, Sequence[T]], Sequence[R]], guided: Sequence[_Guided[T, R]]
    ) -> Sequence[tuple[SendRequest, Answered | Refused] | ApiResponse | Exception]:
        found = stage(self.rt, [each.item for each in guided])
        made = [_make(each, one) for each, one in zip(guided, found, strict=True)]
        sendings = [each for each in made if isinstance(each, SendRequest)]
        sent = iter(self._send(sendings) if sendings else ())
        return [_with(each, next(sent)) if isinstance(each, SendRequest) else each for each in made]

    def _send(
        self, sendings: Sequence[SendRequest], judged: Sequence[Verdict] | None = None
    ) -> Sequence[Answered | Refused | Exception]:
        try:
            judged = judge(self.rt, sendings) if judged is None else judged
            found, hints = carry(self.rt, sendings, judged)
        except Exception as error:
            if isinstance(error, DatabaseFault) and not error.is_final:
                self.note(error)
                raise
            if len(sendings) == 1:
                raise
            # one of them spoils it for all: each alone, and only that one is told
            log.warning("%d requests did not go together: %s", len(sendings), type(error).__name__)
            verdicts = [None] * len(sendings) if judged is None else [[each] for each in judged]
            return [self._alone(*each) for each in zip(sendings, verdicts, strict=True)]
        # what a limit refuses, or was written before, says nothing of whether one can write now
        if None in judged:
            self._failed_at = None
        self._hint_publisher.tell(hints)
        return found

    def _alone(self, sending: SendRequest, judged: Sequence[Verdict] | None) -> Answered | Refused | Exception:
        """Carry one sending; what it took of its limits together with the others (None: nothing) it takes no more."""
        try:
            return self._send([sending], judged)[0]
        except Exception as error:  # noqa: BLE001 - its caller is told, and only he
            return error


def _make(guided: _Guided[T, R], found: R) -> SendRequest | ApiResponse | Exception:
    try:
        return guided.make(found)
    except Exception as error:  # noqa: BLE001 - its caller is told, and only he
        return error


def _with(
    sending: SendRequest, answered: Answered | Refused | Exception
) -> tuple[SendRequest, Answered | Refused] | Exception:
    return answered if isinstance(answered, Exception) else (sending, answered)


def judge(rt: Runtime, sendings: Sequence[SendRequest]) -> list[Verdict]:
    """Take what sendings want of their limits; return for each what answers it already, or None: it may go.

    What was asked before under its key is answered again and spends no limit. Nothing is taken if this raises.
    """
    recalled = iter(recall(rt, [sending.order for sending in sendings if not sending.is_new]))
    known = [None if sending.is_new else next(recalled) for sending in sendings]
    limits = rate_limit(rt, [() if found else sending.takes for sending, found in zip(sendings, known, strict=True)])
    return [found or limit for found, limit in zip(known, limits, strict=True)]


def carry(
    rt: Runtime, sendings: Sequence[SendRequest], judged: Sequence[Verdict]
) -> tuple[list[Answered | Refused], list[Hint]]:
    """Write, measure and pay for what may go; return an answer to each, in order, and what may be delivered."""
    new = [sending for sending, verdict in zip(sendings, judged, strict=True) if verdict is None]
    opened = [each.challenge for each in new if each.challenge]
    taken = _take_in(rt, admit(rt, [(each.request, each.order) for each in new], by_api=True), opened)
    written = iter(taken.answers)
    received = [verdict or next(written) for verdict in judged]
    answered, hints = _read_back(rt, [each for each in received if isinstance(each, Accepted)])
    read = iter(answered)
    return [next(read) if isinstance(each, Accepted) else each for each in received], [*taken.hints, *hints]


def _take_in(rt: Runtime, admissions: Sequence[Admission], opened: Sequence[Challenge]) -> AcceptResult:
    """Take admissions the short way, or where money is short the long one."""
    try:
        return accept(rt, admissions, opened, capacities=capacities())
    except ShortOfFunds:
        open_challenges(rt, opened)
        accepted = ingest(rt, admissions)
        return AcceptResult(
            list(accepted), bill_all(rt, [batch for each in accepted for batch in each.batches], capacities())
        )


def _read_back(rt: Runtime, accepted: Sequence[Accepted]) -> tuple[list[Answered], list[Hint]]:
    """Return the whole answers to what was written before, and what may be delivered once it is paid for after all."""
    if not accepted:
        return [], []
    back, hints = answer(rt, accepted), []
    if back.unpaid:  # whoever wrote them died, or is at it this moment
        hints = bill_all(rt, back.unpaid, capacities())
        back = answer(rt, accepted)
    return back.answered, hints
