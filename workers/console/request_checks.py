"""Checks each request of the console before its handler runs: session, right, CSRF token, size and origin.

Handlers run in a thread, for they query the database; what they change is attributed to the session's user.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message

from pipeline.errors import (
    AlreadyExists,
    Conflict,
    DatabaseFault,
    InsufficientFunds,
    InvalidInput,
    NotFound,
    PostroadError,
)
from pipeline.runtime import Runtime, acting_as
from pipeline.stages.users.user_sessions import session_of
from schema.actor import Actor
from schema.user import UserSession
from schema.vocabulary import ActorKind
from workers.console import session_cookie
from workers.console.console_routes import ConsoleRequest, ConsoleRoute
from workers.console.rendering import Templates, reader_zone

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

#: fields and files of one form
_FIELDS, _FILES = 500, 4
#: seconds that a form may take, and bytes of its limit for each second more
_SECONDS, _BYTES = 60, 1 << 16

#: what a handler may raise, and the status of the page that says it
_STATUS: dict[type[PostroadError], int] = {
    NotFound: 404,
    InvalidInput: 422,
    AlreadyExists: 409,
    Conflict: 409,
    InsufficientFunds: 409,
    DatabaseFault: 503,
}
_AWAY = "the database does not answer; try again shortly"


def endpoint(rt: Runtime, templates: Templates, route: ConsoleRoute, unauthenticated: asyncio.Semaphore) -> Endpoint:
    """Return the ASGI endpoint of a route; `unauthenticated` limits handlers that require no session."""
    turn = unauthenticated if route.right is None else nullcontext()

    async def answer(request: Request) -> Response:
        try:
            asked = await _asked(rt, templates, route, request)
            if isinstance(asked, Response):
                return asked
            try:
                async with turn:
                    return await run_in_threadpool(_handle, route, asked)
            finally:
                await asked.form.close()
        except HTTPException:
            raise
        except DatabaseFault:
            raise HTTPException(503, _AWAY) from None
        except Exception as error:
            # not its text, which may quote what must not be logged
            traced = (type(error), Exception(type(error).__name__), error.__traceback__)
            log.error("%s %s", route.method, route.path, exc_info=traced)
            raise HTTPException(500, "something went wrong here; the log of the console says where") from None

    return answer


async def _asked(rt: Runtime, templates: Templates, route: ConsoleRoute, request: Request) -> ConsoleRequest | Response:
    """Return the request, checked, for the route's handler, or a redirect to the sign-in page."""
    token = session_cookie.token_of(request)
    # a page that updates itself does not keep its session alive
    is_use = "hx-request" not in request.headers
    session = await run_in_threadpool(partial(session_of, rt, token, is_use=is_use)) if token else None
    if route.right is not None and (session is None or session.needs_totp):
        return _to_sign_in(request, "/sign-in/code" if session else "/sign-in")
    asked = ConsoleRequest(rt, templates, request, session, FormData(), reader_zone(request, session))
    if route.is_for_operators and asked.account is not None:
        raise HTTPException(404)
    if route.right is not None and not asked.may(route.right):
        raise HTTPException(403, f"your roles do not include the right “{route.right.replace('_', ' ')}”")
    if not _are_text([*map(str, request.path_params.values()), *request.query_params.values()]):
        raise HTTPException(404)
    if route.method == "GET":
        return asked
    form = await _form(request, route.limit)
    try:
        _check_origin(request, session if route.right is not None else None, form, rt.settings.console_address)
    except HTTPException:
        await form.close()
        raise
    return replace(asked, form=form)


def _are_text(words: Iterable[str]) -> bool:
    """Return whether PostgreSQL can store all of these: it refuses U+0000 and halves of surrogate pairs."""
    return not any("\0" in each or any("\ud800" <= char <= "\udfff" for char in each) for each in words)


def _handle(route: ConsoleRoute, asked: ConsoleRequest) -> Response:
    """Run the handler; errors become pages."""
    try:
        if asked.session is None:
            return route.handler(asked)
        with acting_as(_actor(route, asked)):
            return route.handler(asked)
    except PostroadError as error:
        status = _status(error)
        if status == 500:
            log.error("%s %s: %s", route.method, route.path, type(error).__name__)
        return asked.page("error.html", status, status=status, message=_AWAY if status == 503 else str(error))


def _status(error: PostroadError) -> int:
    if isinstance(error, DatabaseFault) and error.is_final:
        return 422
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def _actor(route: ConsoleRoute, asked: ConsoleRequest) -> Actor:
    client = asked.http.client
    return Actor(
        ActorKind.USER, asked.user.user.name, client.host if client else "", f"console {route.method} {route.path}"
    )


def _to_sign_in(request: Request, page: str) -> Response:
    """Return a redirect to the sign-in page; htmx loads it as a whole page, not into a part of this one."""
    is_page = request.method == "GET" and "hx-request" not in request.headers
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"{page}?next={quote(wanted)}" if is_page and wanted != "/" else page
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": target})
    return RedirectResponse(target, status_code=303)


def _check_origin(request: Request, session: UserSession | None, form: FormData, address: str) -> None:
    """Raise 403 unless the form was on a page of this console, and of this session (None: of any, or none).

    `address`: the console's, as its users reach it.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    # not the scheme: a proxy that is not named in POSTROAD_GATEWAY_PROXIES may have ended TLS
    own = {request.headers.get("host", ""), urlsplit(address).netloc}
    if site not in ("same-origin", "none") or (origin is not None and origin.partition("://")[2] not in own - {""}):
        raise HTTPException(403, "this form was not on a page of this console")
    given = request.headers.get("x-csrf-token") or form.get("csrf_token")
    if session and not (isinstance(given, str) and hmac.compare_digest(given.encode(), session.csrf_token.encode())):
        raise HTTPException(403, "this form is out of date; go back, load the page anew, and try again")


async def _form(request: Request, limit: int) -> FormData:
    """Return the posted form.

    413 when it is larger than `limit` bytes, or has too many fields; 408 when it takes too long; 400 when it is none.
    """
    large = HTTPException(413, f"the form is larger than {limit >> 10} kB")
    if int(request.headers.get("content-length") or 0) > limit:
        raise large
    receive, left = request.receive, limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise large
        return message

    request._receive = counted
    try:
        async with asyncio.timeout(_SECONDS + limit / _BYTES):
            form = await request.form(max_files=_FILES, max_fields=_FIELDS)
    except TimeoutError:
        raise HTTPException(408, "the form took too long") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection was closed") from None
    except ValueError:  # fields in a character set that cannot be decoded
        raise HTTPException(400, "the form cannot be read") from None
    if not _are_text(each.filename or "" if isinstance(each, UploadFile) else each for _, each in form.multi_items()):
        await form.close()
        raise HTTPException(400, "the form has characters that no text has")
    return form
