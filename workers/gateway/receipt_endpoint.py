"""Where carriers post their receipts, and what handsets sent: kept before their carrier hears 200.

POST /receipts/{carrier}    200 once they are kept; 400 not even its proof can be read, 401 not proved to be that
                            carrier's, 405 another method, 413 too large, 503 try again

What is proved to be the carrier's and cannot be read is set aside as a dead letter, and its carrier hears 200 too: a
vendor that changes its format would post the same again for days, and in the end stop.

A carrier that is not there is answered as one whose receipt is forged (so is GET, where a kind of carrier never calls
so): from outside nobody can tell which carriers there are.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from aiohttp import web

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages import inbound, receive
from pipeline.stages.receive import CarrierRow, ReceiptForged
from schema.carriage import CarrierEvents, Inbound, Posted, Receipt
from schema.dead_letter import DeadLetter
from schema.vocabulary import Code
from workers.api.memory_limit import MemoryLimit
from workers.api.unauthenticated import FailedCalls, ReadBudget
from workers.gateway.micro_batch import MicroBatch, in_time
from workers.gateway.request_body import BodyRejected, RequestBody

log = logging.getLogger(__name__)

#: bytes a carrier's post may have
LARGEST = 1024 * 1024
#: seconds for which the carriers' settings are taken for current
_FRESH = 5.0
#: seconds between two words in the log about one carrier's forged receipts
_QUIET = 60.0
#: seconds for which a post that was not kept speaks of the database's health
_RECENT = 30.0
#: what is answered where a body was not taken in
_UNREAD = {Code.TOO_LARGE: 413, Code.MALFORMED: 400, Code.UNAVAILABLE: 503}
#: bytes of unproved posts that are not complete, of all carriers; and of a post that is read at once
_ROOM, _SMALL = 16 * 1024 * 1024, 16 * 1024
#: what any kind of carrier may call with
_METHODS = ("POST", "GET")
#: receipts kept in one transaction, and seconds it waits for more to come
_RECEIPTS, _WAIT = 1000, 0.005


class ReceiptEndpoint:
    """Takes receipts in, many posts to a transaction."""

    def __init__(self, rt: Runtime, failures: FailedCalls) -> None:
        """Make it, with what slows down who forges; the database is opened by the first post."""
        self._rt = rt
        self._failures = failures
        #: for the bodies of posts that are proved by more than their body, and of all others, by carrier
        self._memory_limit, self._room = MemoryLimit(), ReadBudget(_ROOM)
        self._threads = ThreadPoolExecutor(2, "receipts")
        self._senders: dict[str, CarrierRow] = {}
        self._read_at = float("-inf")
        #: when a post was not kept for the database's sake, and none was kept since
        self._failed_at = float("-inf")
        #: carrier → when it was last said that receipts of its were not believed
        self._reported_at: dict[str, float] = {}
        #: carrier → when it was last said that something of its was set aside, and what was since, by reason
        self._unread_at: dict[str, float] = {}
        self._untold: dict[str, Counter[str]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._micro_batch: MicroBatch[Receipt, None] = MicroBatch(
            self._keep, self._threads, most=_RECEIPTS, seconds=_WAIT
        )
        self._unread: MicroBatch[DeadLetter, None] = MicroBatch(
            self._set_aside, self._threads, most=_RECEIPTS, seconds=_WAIT
        )
        self._received: MicroBatch[Inbound, None] = MicroBatch(
            self._keep_received, self._threads, most=_RECEIPTS, seconds=_WAIT
        )

    async def post(self, request: web.BaseRequest, carrier: str, source: str) -> web.Response:
        """Keep a carrier's receipts and messages, and answer only then; `source`: the address they come from."""
        try:
            return await self._answer(request, carrier)
        except BodyRejected as error:
            return _closing(fault(_UNREAD[error.code], str(error)))
        except ReceiptForged as error:
            self._tell(carrier, str(error))
            response = fault(401, "this is not proved to be a carrier's")
            return response if await self._failures.note(source, "receipts") else _closing(response)
        except ValueError as error:
            return fault(400, str(error))
        except ConfigurationError as error:
            self._tell(carrier, str(error), "not kept")
            return fault(503, "not kept; post it again")
        except DatabaseFault as error:
            log.warning("receipts not kept: %s", error)
            if not error.is_final:
                self._failed_at = time.monotonic()
            return fault(503, "not kept; post it again")

    async def health(self) -> web.Response:
        """Tell whether the database answers, and keeps what carriers post."""
        if time.monotonic() - self._failed_at < _RECENT:
            return fault(503, "the database keeps receipts waiting")
        try:
            await self._read_anew()
        except DatabaseFault:
            return fault(503, "the database does not answer")
        return web.json_response({"ok": True})

    def close(self) -> None:
        """End the threads when their work is done."""
        self._threads.shutdown()

    async def _answer(self, request: web.BaseRequest, carrier: str) -> web.Response:
        if request.method not in _METHODS:
            response = fault(405, "receipts are posted")
            response.headers["Allow"] = ", ".join(_METHODS)
            return response
        body = RequestBody(request)
        if body.announced > LARGEST:
            return fault(413, f"a request may have {LARGEST} bytes")
        sender = (await self._known()).get(carrier)
        if sender is None:
            raise ReceiptForged("no carrier of this name posts receipts here")
        if request.method not in receive.methods(sender):
            raise ReceiptForged(f"carrier {carrier}: it never calls with {request.method}")
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = receive.called(sender, request.raw_path, f"{request.scheme}://{request.headers.get('Host', '')}")
        posted = Posted(request.method, url, headers, b"")
        if receive.prove(sender, posted):
            with self._memory_limit.load(carrier) as measure:
                await self._take(sender, replace(posted, body=await body.read(LARGEST, measure)))
        else:
            with self._room.share(carrier) as share:
                posted = replace(posted, body=await body.read_unauthenticated(LARGEST, share))
            await self._take(sender, posted)
        status, kind, words = receive.thanks(sender)
        return web.Response(status=status, text=words, content_type=kind)

    async def _take(self, sender: CarrierRow, posted: Posted) -> None:
        if len(posted.body) <= _SMALL:
            received = receive.read(sender, posted)
        else:
            loop = asyncio.get_running_loop()
            received = await loop.run_in_executor(self._threads, receive.read, sender, posted)
        if received.receipts:
            await self._micro_batch.add(received.receipts)
        if received.inbound:
            await self._received.add(received.inbound)
        if received.dead:
            await self._unread.add(received.dead)
            self._tell_unread(sender.name, received)

    def _tell_unread(self, carrier: str, received: CarrierEvents) -> None:
        """Log what was set aside, of each carrier now and then, with what was since."""
        reasons = Counter(each.reason for each in received.dead)
        self._untold.setdefault(carrier, Counter()).update(reasons)
        now = time.monotonic()
        if now - self._unread_at.get(carrier, float("-inf")) > _QUIET:
            self._unread_at[carrier] = now
            found = ", ".join(f"{count} {reason}" for reason, count in sorted(self._untold.pop(carrier).items()))
            log.warning("receipts set aside: carrier %s: %s; see `postroad carrier dead list`", carrier, found)

    def _tell(self, carrier: str, words: str, outcome: str = "not believed") -> None:
        """Log what was not believed or not kept: of each carrier now and then, and of none that is not there."""
        now = time.monotonic()
        if carrier in self._senders and now - self._reported_at.get(carrier, float("-inf")) > _QUIET:
            self._reported_at[carrier] = now
            log.warning("receipts %s: %s", outcome, words)

    async def _known(self) -> dict[str, CarrierRow]:
        if time.monotonic() - self._read_at > _FRESH:
            await self._read_anew()
        return self._senders

    async def _read_anew(self) -> None:
        """Read the carriers' settings; all who ask meanwhile share the one look, so that nobody can ask too often."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        await in_time(asyncio.shield(self._reading))

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        self._senders = await loop.run_in_executor(self._threads, receive.senders, self._rt)
        self._read_at = time.monotonic()

    def _keep(self, receipts: list[Receipt]) -> Sequence[None]:
        receive.keep(self._rt, receipts)
        self._failed_at = float("-inf")
        return ()

    def _keep_received(self, messages: list[Inbound]) -> Sequence[None]:
        inbound.keep(self._rt, messages)
        self._failed_at = float("-inf")
        return ()

    def _set_aside(self, letters: list[DeadLetter]) -> Sequence[None]:
        receive.set_aside(self._rt, letters)
        self._failed_at = float("-inf")
        return ()


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


def fault(status: int, message: str) -> web.Response:
    """Return what is wrong, as a carrier (or somebody who lost his way) is told it."""
    return web.json_response({"error": {"message": message}}, status=status)
