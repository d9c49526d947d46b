"""The endpoint for carriers' receipts and MO messages: stored, and receipts applied, before the carrier gets 200.

POST /receipts/{carrier}    200 stored; 400 authentication cannot be parsed, 401 authentication failed, 405 another
                            method, 413 too large, 503 retry

An authenticated post that cannot be parsed, or whose receipt the database refuses for its content, is stored as a dead
letter and answered with 200: otherwise a vendor that changed its format would retry for days and then disable the
webhook. Receipts that cannot be applied now are stored, and the tick applies them.

An unknown carrier is answered as a failed authentication (so is GET, for carrier kinds that only POST): carriers cannot
be enumerated from outside.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from aiohttp import web

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages import receive
from pipeline.stages.receive import CarrierRow, ReceiptForged
from schema.carriage import CarrierEvents, Inbound, Posted, Receipt
from schema.dead_letter import DeadLetter
from schema.vocabulary import Code, DeadLetterSource
from workers.api.memory_limit import MemoryLimit
from workers.api.unauthenticated import FailedCalls, ReadBudget
from workers.gateway.micro_batch import MicroBatch, in_time
from workers.gateway.request_body import BodyRejected, RequestBody
from workers.wiring import take_events

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

#: largest post of a carrier in bytes
LARGEST = 1024 * 1024
#: seconds for which the carriers' settings are cached
_FRESH = 5.0
#: seconds between two log lines about one carrier's bad posts
_LOG_INTERVAL = 60.0
#: seconds for which a failed write makes the health check fail
_RECENT = 30.0
#: statuses for rejected bodies
_UNREAD = {Code.TOO_LARGE: 413, Code.MALFORMED: 400, Code.UNAVAILABLE: 503}
#: bytes of incomplete unauthenticated posts of all carriers; and of a post that is parsed on the event loop
_ROOM, _SMALL = 16 * 1024 * 1024, 16 * 1024
#: methods that any carrier kind may use
_METHODS = ("POST", "GET")
#: events stored in one transaction, and seconds for which they are gathered
_RECEIPTS, _WAIT = 1000, 0.005


class ReceiptEndpoint:
    """Stores receipts and MO messages, and applies receipts, many posts per transaction."""

    def __init__(self, rt: Runtime, failures: FailedCalls) -> None:
        """Take the runtime and the delay for failed authentications; the database is opened by the first post."""
        self._rt = rt
        self._failures = failures
        #: memory for bodies of posts authenticated by their headers, and of all others, by carrier
        self._memory_limit, self._room = MemoryLimit(), ReadBudget(_ROOM)
        self._threads = ThreadPoolExecutor(2, "receipts")
        self._senders: dict[str, CarrierRow] = {}
        self._read_at = float("-inf")
        #: when the last write failed, unless one succeeded since
        self._failed_at = float("-inf")
        #: carrier → when a failed authentication was last logged
        self._logged_at: dict[str, float] = {}
        #: carrier → when its dead letters were last logged, and those since, by reason
        self._dead_logged_at: dict[str, float] = {}
        self._unlogged: dict[str, Counter[str]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._receipts: MicroBatch[Receipt, DeadLetter | None] = self._micro_batch(self._take_receipts)
        self._inbound: MicroBatch[Inbound, None] = self._micro_batch(self._take_inbound)
        self._dead: MicroBatch[DeadLetter, None] = self._micro_batch(self._take_dead)

    async def post(self, request: web.BaseRequest, carrier: str, source: str) -> web.Response:
        """Store a carrier's receipts and messages, then answer; `source`: the client's address."""
        try:
            return await self._answer(request, carrier)
        except BodyRejected as error:
            return _closing(fault(_UNREAD[error.code], str(error)))
        except ReceiptForged as error:
            self._log(carrier, str(error))
            response = fault(401, "authentication failed")
            return response if await self._failures.note(source, "receipts") else _closing(response)
        except ValueError as error:
            return fault(400, str(error))
        except ConfigurationError as error:
            self._log(carrier, str(error), "not stored")
            return fault(503, "not stored; retry")
        except DatabaseFault as error:
            log.warning("receipts not stored: %s", error)
            if not error.is_final:
                self._failed_at = time.monotonic()
            return fault(503, "not stored; retry")

    async def health(self) -> web.Response:
        """Return 200 if the database answers and recent posts were stored, else 503."""
        if time.monotonic() - self._failed_at < _RECENT:
            return fault(503, "receipts could not be stored recently")
        try:
            await self._refresh()
        except DatabaseFault:
            return fault(503, "the database does not answer")
        return web.json_response({"ok": True})

    def close(self) -> None:
        """Shut the threads down when their work is done."""
        self._threads.shutdown()

    async def _answer(self, request: web.BaseRequest, carrier: str) -> web.Response:
        if request.method not in _METHODS:
            response = fault(405, "use POST")
            response.headers["Allow"] = ", ".join(_METHODS)
            return response
        body = RequestBody(request)
        if body.announced > LARGEST:
            return fault(413, f"the body is larger than {LARGEST} bytes")
        sender = (await self._known()).get(carrier)
        if sender is None:
            raise ReceiptForged("no carrier of this name posts receipts")
        if request.method not in receive.methods(sender):
            raise ReceiptForged(f"carrier {carrier}: its kind does not use {request.method}")
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = receive.called(sender, request.raw_path, f"{request.scheme}://{request.headers.get('Host', '')}")
        posted = Posted(request.method, url, headers, b"")
        if receive.authenticate(sender, posted):
            with self._memory_limit.load(carrier) as set_size:
                await self._take(sender, replace(posted, body=await body.read(LARGEST, set_size)))
        else:
            with self._room.share(carrier) as share:
                posted = replace(posted, body=await body.read_unauthenticated(LARGEST, share))
            await self._take(sender, posted)
        status, kind, text = receive.response(sender)
        return web.Response(status=status, text=text, content_type=kind)

    async def _take(self, sender: CarrierRow, posted: Posted) -> None:
        if len(posted.body) <= _SMALL:
            received = receive.read(sender, posted)
        else:
            loop = asyncio.get_running_loop()
            received = await loop.run_in_executor(self._threads, receive.read, sender, posted)
        dead = list(received.dead)
        if received.receipts:
            dead += [refused for refused in await self._receipts.add(received.receipts) if refused]
        if received.inbound:
            await self._inbound.add(received.inbound)
        if dead:
            await self._dead.add(dead)
            self._log_dead(sender.name, dead)

    def _log_dead(self, carrier: str, dead: Sequence[DeadLetter]) -> None:
        """Log dead letters, at most once per carrier and interval, with the counts since."""
        reasons = Counter(each.reason for each in dead)
        self._unlogged.setdefault(carrier, Counter()).update(reasons)
        now = time.monotonic()
        if now - self._dead_logged_at.get(carrier, float("-inf")) > _LOG_INTERVAL:
            self._dead_logged_at[carrier] = now
            found = ", ".join(f"{count} {reason}" for reason, count in sorted(self._unlogged.pop(carrier).items()))
            words = "receipts dead-lettered: carrier %(carrier)s: %(found)s; see `postroad carrier dead list`"
            log.warning(words, {"carrier": carrier, "found": found})

    def _log(self, carrier: str, reason: str, outcome: str = "not authenticated") -> None:
        """Log failed posts, at most once per carrier and interval, and never of unknown carriers."""
        now = time.monotonic()
        if carrier in self._senders and now - self._logged_at.get(carrier, float("-inf")) > _LOG_INTERVAL:
            self._logged_at[carrier] = now
            why = reason.removeprefix(f"carrier {carrier}: ")
            words = "receipts %(outcome)s: carrier %(carrier)s: %(reason)s"
            log.warning(words, {"carrier": carrier, "outcome": outcome, "reason": why})

    async def _known(self) -> dict[str, CarrierRow]:
        if time.monotonic() - self._read_at > _FRESH:
            await self._refresh()
        return self._senders

    async def _refresh(self) -> None:
        """Read the carriers' settings; concurrent callers share one query, so that callers cannot cause more."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        await in_time(asyncio.shield(self._reading))

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        self._senders = await loop.run_in_executor(self._threads, receive.senders, self._rt)
        self._read_at = time.monotonic()

    def _micro_batch(self, work: Callable[[list[T]], Sequence[R]]) -> MicroBatch[T, R]:
        return MicroBatch(work, self._threads, most=_RECEIPTS, seconds=_WAIT)

    def _take_receipts(self, receipts: list[Receipt]) -> list[DeadLetter | None]:
        """Store and apply receipts; return for each a dead letter if the database refuses it for its content."""
        try:
            self._store(CarrierEvents(receipts, []))
        except DatabaseFault as refusal:
            if not refusal.is_final:
                raise
            if len(receipts) == 1:
                [one] = receipts
                return [DeadLetter(DeadLetterSource.RECEIPT, one.carrier, "not_storable", one.raw.encode())]
            half = len(receipts) // 2
            return self._take_receipts(receipts[:half]) + self._take_receipts(receipts[half:])
        return [None] * len(receipts)

    def _take_inbound(self, messages: list[Inbound]) -> Sequence[None]:
        self._store(CarrierEvents([], messages))
        return ()

    def _take_dead(self, letters: list[DeadLetter]) -> Sequence[None]:
        self._store(CarrierEvents([], [], dead=letters))
        return ()

    def _store(self, events: CarrierEvents) -> None:
        take_events(self._rt, events)
        self._failed_at = float("-inf")


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


def fault(status: int, message: str) -> web.Response:
    """Return an error response outside the APIs."""
    return web.json_response({"error": {"message": message}}, status=status)
