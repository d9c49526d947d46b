"""Where carriers post their receipts: kept before their carrier hears 200.

POST /receipts/{carrier}    200 once they are kept; 400 unreadable, 401 forged, 404 no such carrier, 405 not a POST,
                            413 too large, 503 try again
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages import receive
from pipeline.stages.receive import CarrierRow, ReceiptForged
from schema.carriage import Posted, Receipt
from workers.gather import Gather

log = logging.getLogger(__name__)

#: bytes a carrier's post may have
LARGEST = 1024 * 1024
#: seconds for which the carriers' settings are taken for current
_FRESH = 5.0
#: receipts kept in one transaction, and seconds it waits for more to come
_RECEIPTS, _WAIT = 1000, 0.005


class Letterbox:
    """Takes receipts in, many posts to a transaction."""

    def __init__(self, rt: Runtime) -> None:
        """Make it; the database is opened by the first post."""
        self._rt = rt
        self._threads = ThreadPoolExecutor(2, "receipts")
        self._senders: dict[str, CarrierRow] = {}
        self._read_at = float("-inf")
        self._gather: Gather[Receipt, None] = Gather(self._keep, self._threads, most=_RECEIPTS, seconds=_WAIT)

    async def post(self, request: web.BaseRequest, carrier: str) -> web.Response:
        """Keep a carrier's receipts, and answer only then."""
        if request.method != "POST":
            return fault(405, "receipts are posted")
        try:
            body = await request.read()
            sender = (await self._known()).get(carrier)
            if sender is None:
                return fault(404, "no carrier of this name posts receipts here")
            headers = {name.lower(): value for name, value in request.headers.items()}
            heard = receive.read(sender, Posted(request.method, str(request.url), headers, body))
            await self._gather.add(heard.receipts)
        except web.HTTPRequestEntityTooLarge:
            return fault(413, f"a request may have {LARGEST} bytes")
        except ReceiptForged as error:
            return fault(401, str(error))
        except ValueError as error:
            return fault(400, str(error))
        except DatabaseFault as error:
            log.warning("receipts not kept: %s", error)
            return fault(503, "not kept; post it again")
        return web.json_response({"kept": True})

    async def health(self) -> web.Response:
        """Tell whether the database answers."""
        try:
            self._read_at = float("-inf")
            await self._known()
        except DatabaseFault:
            return fault(503, "the database does not answer")
        return web.json_response({"ok": True})

    def close(self) -> None:
        """End the threads when their work is done."""
        self._threads.shutdown()

    async def _known(self) -> dict[str, CarrierRow]:
        if time.monotonic() - self._read_at > _FRESH:
            loop = asyncio.get_running_loop()
            self._senders = await loop.run_in_executor(self._threads, receive.senders, self._rt)
            self._read_at = time.monotonic()
        return self._senders

    def _keep(self, receipts: list[Receipt]) -> Sequence[None]:
        receive.keep(self._rt, receipts)
        return ()


def fault(status: int, message: str) -> web.Response:
    """Return what is wrong, as a carrier (or somebody who lost his way) is told it."""
    return web.json_response({"error": {"message": message}}, status=status)
