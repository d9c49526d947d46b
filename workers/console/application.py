"""The ASGI application of the console: its routes, static files, health checks and error pages."""

import asyncio
import logging
from importlib.resources import files

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from pipeline.errors import PostroadError
from pipeline.runtime import Runtime
from pipeline.stages.users.user_sessions import session_of
from workers.console import session_cookie
from workers.console.console_routes import ConsoleRequest
from workers.console.pages import (
    accounts_page,
    audit_log_page,
    campaign_control_page,
    campaign_files_page,
    campaign_form_page,
    campaign_quote_page,
    campaigns_page,
    carriers_page,
    dead_letters_page,
    held_batches_page,
    inbound_page,
    message_jobs_page,
    messages_page,
    opt_outs_page,
    overview_page,
    profile_page,
    routes_page,
    sign_in_page,
    users_page,
    webhooks_page,
)
from workers.console.rendering import Templates, reader_zone
from workers.console.request_checks import endpoint
from workers.console.security_headers import SecurityHeaders

log = logging.getLogger(__name__)

ROUTES = (
    *sign_in_page.ROUTES,
    *profile_page.ROUTES,
    *overview_page.ROUTES,
    *messages_page.ROUTES,
    *message_jobs_page.ROUTES,
    *webhooks_page.ROUTES,
    *inbound_page.ROUTES,
    *opt_outs_page.ROUTES,
    *audit_log_page.ROUTES,
    *carriers_page.ROUTES,
    *routes_page.ROUTES,
    *held_batches_page.ROUTES,
    *dead_letters_page.ROUTES,
    *accounts_page.ROUTES,
    *users_page.ROUTES,
    *campaign_form_page.ROUTES,
    *campaigns_page.ROUTES,
    *campaign_quote_page.ROUTES,
    *campaign_control_page.ROUTES,
    *campaign_files_page.ROUTES,
)

#: handlers that require no session and run at a time: those that wait to hash a password occupy no more threads
_UNAUTHENTICATED = 4
_MESSAGES = {
    404: "there is no such page",
    405: "this page takes no such request",
}


class _RowId(IntegerConvertor):
    """A number in a path (`{id:int}`) that a bigint holds; any longer one is of no page."""

    regex = "[0-9]{1,18}"


register_url_convertor("int", _RowId())


def application(rt: Runtime) -> ASGIApp:
    """Return the console, which reads and changes what this runtime's database has."""
    templates, limit = Templates(), asyncio.Semaphore(_UNAUTHENTICATED)

    async def ready(_request: Request) -> Response:
        return await run_in_threadpool(_ready, rt)

    async def error(request: Request, raised: Exception) -> Response:
        assert isinstance(raised, HTTPException)
        own = _MESSAGES.get(raised.status_code, raised.detail)
        return await run_in_threadpool(_error_page, rt, templates, request, raised.status_code, own)

    async def fault(request: Request, raised: Exception) -> Response:
        log.error("%s: %s", request.url.path, type(raised).__name__)
        return PlainTextResponse("Something went wrong here; the log of the console names it.\n", 500)

    app = Starlette(
        routes=[
            Route("/livez", lambda _: PlainTextResponse("ok\n"), methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            Mount("/static", _StaticFiles(directory=str(files("workers.console").joinpath("static")))),
            *(Route(each.path, endpoint(rt, templates, each, limit), methods=[each.method]) for each in ROUTES),
        ],
        exception_handlers={HTTPException: error, Exception: fault},
    )
    # its address would begin with the host that the request names
    app.router.redirect_slashes = False
    return SecurityHeaders(app)


class _StaticFiles(StaticFiles):
    """Static files, whose URLs change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file that browsers keep."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _ready(rt: Runtime) -> Response:
    try:
        with rt.read_only() as conn:
            conn.exec_driver_sql("SELECT 1")
    except PostroadError:
        return PlainTextResponse("the database does not answer\n", 503)
    return PlainTextResponse("ok\n")


def _error_page(rt: Runtime, templates: Templates, request: Request, status: int, message: str) -> Response:
    token = session_cookie.token_of(request)
    try:
        session = session_of(rt, token, is_use=False) if token else None
    except PostroadError:
        session = None
    asked = ConsoleRequest(rt, templates, request, session, FormData(), reader_zone(request, session))
    return asked.page("error.html", status, status=status, message=message)
