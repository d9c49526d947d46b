"""The submission service of the APIs: concurrent requests share one transaction and one hint (micro-batching)."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from pipeline.dialects.contract import SendRequest
from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages.api.authenticate import Credentials, Denied, authenticate
from pipeline.stages.api.take_rate_limits import Refused
from schema.api import ApiKey, ApiResponse
from schema.message import Answered
from workers.api.hint_publisher import HintPublisher
from workers.api.memory_limit import MemoryLimit
from workers.api.unauthenticated import FailedCalls, ReadBudget
from workers.gateway.micro_batch import MicroBatch, in_time
from workers.server_urls import broker_url
from workers.wiring import Verdict, accept_sends, take_limits

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: most requests of one transaction; and recipients above which a request is processed alone
_TOGETHER, _LARGE = 500, 100
#: timeout of a large request in seconds, including those before it
_LARGE_CALL = 60.0
#: seconds for which a request that failed because of the database counts in the health check
_RECENT = 30.0


@dataclass(frozen=True, slots=True)
class _Guided(Generic[T, R]):
    """A request that is built from what a stage finds."""

    item: T
    make: Callable[[R], SendRequest | ApiResponse]


class SubmissionService:
    """Runs stages for the APIs' operations: without blocking the event loop, and in batches if concurrent."""

    def __init__(self, rt: Runtime) -> None:
        """Take the runtime; threads start with the first request."""
        self.rt = rt
        self.memory_limit = MemoryLimit()
        #: memory for bodies that are read before authentication
        self.room = ReadBudget()
        self.failures = FailedCalls()
        self._threads = ThreadPoolExecutor(max(2, rt.settings.pool_size), "submission")
        # large requests are processed one after the other, and delay no small ones
        self._large_call = ThreadPoolExecutor(1, "large-requests")
        self._hint_publisher = HintPublisher(rt, broker_url(rt.settings))
        self._authentications: MicroBatch[Credentials, ApiKey | Denied] = self._micro_batch(partial(authenticate, rt))
        self._sendings: MicroBatch[SendRequest, Answered | Refused | Exception] = self._micro_batch(self._send)
        #: when a request last failed because of the database, unless one was written since
        self._failed_at: float | None = None
        self._questions: dict[Callable[..., Any], MicroBatch[Any, Any]] = {}
        self._guided: dict[Callable[..., Any], MicroBatch[Any, Any]] = {}

    @property
    def is_failing(self) -> bool:
        """Whether a request failed recently because of the database, and none was written since."""
        return self._failed_at is not None and time.monotonic() - self._failed_at < _RECENT

    def note(self, fault: DatabaseFault) -> None:
        """Note a database fault for the health check, unless the data of the request caused it."""
        if not fault.is_final:
            self._failed_at = time.monotonic()

    async def authenticate(self, credentials: Credentials) -> ApiKey | Denied:
        """Return the key that the credentials prove, or why they are denied."""
        return (await self._authentications.add([credentials]))[0]

    async def send(self, sending: SendRequest) -> Answered | Refused:
        """Return the result of a request once its messages are written and billed, or the limit that refused it."""
        [found] = await self.send_all([sending])
        if isinstance(found, Exception):
            raise found
        return found

    async def send_all(self, sendings: Sequence[SendRequest]) -> Sequence[Answered | Refused | Exception]:
        """Return the result of each request in order, or the exception it raised; they share one transaction."""
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
        """Look up an item with a stage that takes many, and submit what `make` builds from the result.

        Returns the request with its result, or the response that `make` returned instead. One micro-batch, where `ask`
        and `send` would be two; `make` runs in a thread.
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
        """Return what a stage returns; it runs in a thread, and its changes are those of the caller's actor."""
        call = partial(copy_context().run, stage, self.rt, *args, **kwargs)
        return await in_time(asyncio.get_running_loop().run_in_executor(self._threads, call))

    async def run_batched(self, stage: Callable[[Runtime, Sequence[T]], Sequence[R]], item: T) -> R:
        """Return a stage's result for one item; concurrent calls of the same stage share one run."""
        micro_batch = self._questions.get(stage)
        if micro_batch is None:
            micro_batch = self._questions[stage] = self._micro_batch(partial(stage, self.rt))
        answer: R = (await micro_batch.add([item]))[0]
        return answer

    def close(self) -> None:
        """Shut the threads down when their work is done; close the runtime."""
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
        self, sendings: Sequence[SendRequest], verdicts: Sequence[Verdict] | None = None
    ) -> Sequence[Answered | Refused | Exception]:
        try:
            verdicts = take_limits(self.rt, sendings) if verdicts is None else verdicts
            found, hints = accept_sends(self.rt, sendings, verdicts)
        except Exception as error:
            if isinstance(error, DatabaseFault) and not error.is_final:
                self.note(error)
                raise
            if len(sendings) == 1:
                raise
            # one request fails them all: each is processed alone, so that only that one fails
            log.warning("%d requests did not go together: %s", len(sendings), type(error).__name__)
            taken = [None] * len(sendings) if verdicts is None else [[each] for each in verdicts]
            return [self._alone(*each) for each in zip(sendings, taken, strict=True)]
        # a refusal by a limit and a replay do not show that the database can be written
        if None in verdicts:
            self._failed_at = None
        self._hint_publisher.publish(hints)
        return found

    def _alone(self, sending: SendRequest, verdicts: Sequence[Verdict] | None) -> Answered | Refused | Exception:
        """Process one request; limits that it took together with the others (None: none) are not taken again."""
        try:
            return self._send([sending], verdicts)[0]
        except Exception as error:  # noqa: BLE001 - returned to its own caller only
            return error


def _make(guided: _Guided[T, R], found: R) -> SendRequest | ApiResponse | Exception:
    try:
        return guided.make(found)
    except Exception as error:  # noqa: BLE001 - returned to its own caller only
        return error


def _with(
    sending: SendRequest, answered: Answered | Refused | Exception
) -> tuple[SendRequest, Answered | Refused] | Exception:
    return answered if isinstance(answered, Exception) else (sending, answered)
