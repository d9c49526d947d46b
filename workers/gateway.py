"""HTTP: where carriers post their receipts. The dialects' routes will be mounted here too.

POST /receipts/{carrier}    200 once they are kept; 400 unreadable, 401 forged, 404 no such carrier, 413 too large,
                            503 try again
GET  /healthz               200 while the database answers
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import receive
from pipeline.stages.receive import CarrierRow, ReceiptForged
from schema.carriage import Receipt
from workers.gather import Gather
from workers.processes.supervisor import require_free

log = logging.getLogger(__name__)

#: bytes one request may have
_LARGEST = 1024 * 1024
#: seconds for which the carriers' settings are taken for current
_FRESH = 5.0
#: receipts kept in one transaction, and seconds it waits for more to come
_RECEIPTS, _WAIT = 1000, 0.005


class Gateway:
    """The routes, with what they need of this process."""

    def __init__(self, rt: Runtime) -> None:
        """Make the routes; they open the database when they are called."""
        self._rt = rt
        self._executor = ThreadPoolExecutor(2, "gateway")
        self._senders: dict[str, CarrierRow] = {}
        self._read_at = float("-inf")
        self._gather: Gather[Receipt] = Gather(self._keep, self._executor, most=_RECEIPTS, seconds=_WAIT)

    def app(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post("/receipts/{carrier}", self.receipts)
        app.router.add_get("/healthz", self.healthz)
        app.on_cleanup.append(self._close)
        return app

    async def receipts(self, request: web.Request) -> web.Response:
        """Keep a carrier's receipts, and answer only then."""
        try:
            body = await request.read()
            sender = (await self._known()).get(request.match_info["carrier"])
            if sender is None:
                return _fault(404, "no carrier of this name posts receipts here")
            headers = {name.lower(): value for name, value in request.headers.items()}
            await self._gather.add(receive.read(sender, headers, body))
        except web.HTTPRequestEntityTooLarge:
            return _fault(413, f"a request may have {_LARGEST} bytes")
        except ReceiptForged as error:
            return _fault(401, str(error))
        except ValueError as error:
            return _fault(400, str(error))
        except DatabaseFault as error:
            log.warning("receipts not kept: %s", error)
            return _fault(503, "not kept; post it again")
        return web.json_response({"kept": True})

    async def healthz(self, _request: web.Request) -> web.Response:
        """Tell whether the database answers."""
        try:
            self._read_at = float("-inf")
            await self._known()
        except DatabaseFault:
            return _fault(503, "the database does not answer")
        return web.json_response({"ok": True})

    async def _known(self) -> dict[str, CarrierRow]:
        if time.monotonic() - self._read_at > _FRESH:
            loop = asyncio.get_running_loop()
            self._senders = await loop.run_in_executor(self._executor, receive.senders, self._rt)
            self._read_at = time.monotonic()
        return self._senders

    def _keep(self, receipts: Any) -> None:
        receive.keep(self._rt, receipts)

    async def _close(self, _app: web.Application) -> None:
        self._executor.shutdown()
        self._rt.close()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; ConfigurationError when the port is taken."""
    require_free(settings.gateway_host, settings.gateway_port, "POSTROAD_GATEWAY_PORT")
    app = Gateway(Runtime(settings)).app()
    web.run_app(
        app, host=settings.gateway_host, port=settings.gateway_port, access_log=None, print=None, shutdown_timeout=10
    )


def _fault(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)
