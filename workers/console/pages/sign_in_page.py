"""Signing in by password or one-time link, the second factor, and signing out."""

from starlette.responses import Response

from pipeline.errors import InvalidInput
from pipeline.stages.users.login_links import purpose_of, redeem_link
from pipeline.stages.users.sign_in import sign_in
from pipeline.stages.users.totp import confirm_totp
from pipeline.stages.users.user_sessions import end_session
from schema.user import SignedIn, SignInDenied, UserClient
from schema.vocabulary import LinkPurpose
from workers.console import session_cookie
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: most bytes of a form, which may be a stranger's
_FORM = 1 << 14


def client_of(asked: ConsoleRequest) -> UserClient:
    """Return the browser that a request comes from."""
    host = asked.http.client.host if asked.http.client else ""
    return UserClient(host, asked.http.headers.get("user-agent", ""))


def refusal(denied: SignInDenied, otherwise: str) -> str:
    """Return what a page says of a refused attempt."""
    if denied.retry_after is None:
        return otherwise
    return f"Too many attempts. Try again in {denied.retry_after} seconds."


def _show(asked: ConsoleRequest) -> Response:
    if asked.session and not asked.session.needs_totp:
        return asked.redirect(_next(asked.query.get("next", "")))
    return asked.page("sign_in.html", next=_next(asked.query.get("next", "")), name="", problem="")


def _sign_in(asked: ConsoleRequest) -> Response:
    name, wanted = asked.text("name"), _next(asked.text("next"))
    password = asked.form.get("password")
    done = sign_in(asked.rt, name, password if isinstance(password, str) else "", client_of(asked))
    if isinstance(done, SignInDenied):
        problem = refusal(done, "Name or password is wrong.")
        return asked.page("sign_in.html", 429 if done.retry_after else 403, next=wanted, name=name, problem=problem)
    return _begun(asked, done, wanted)


def _begun(asked: ConsoleRequest, done: SignedIn, wanted: str) -> Response:
    """Return a redirect with the cookie of the session; an earlier session of this browser ends."""
    earlier = asked.session
    if earlier and earlier.id != done.session.id:
        end_session(asked.rt, earlier.user, earlier.id)
    code = asked.redirect("/sign-in/code", next=wanted)
    response = code if done.session.needs_totp else asked.redirect_to(wanted)
    session_cookie.set_token(asked.http, response, done.token)
    return response


def _show_code(asked: ConsoleRequest) -> Response:
    if asked.session is None or not asked.session.needs_totp:
        return asked.redirect("/sign-in")
    return asked.page("one_time_code.html", next=_next(asked.query.get("next", "")), problem="")


def _confirm(asked: ConsoleRequest) -> Response:
    wanted = _next(asked.text("next"))
    done = confirm_totp(asked.rt, session_cookie.token_of(asked.http), asked.text("code"))
    if isinstance(done, SignedIn):
        return _begun(asked, done, wanted)
    problem = refusal(done, "This code is wrong, or was used already.")
    return asked.page("one_time_code.html", 429 if done.retry_after else 403, next=wanted, problem=problem)


def _show_link(asked: ConsoleRequest) -> Response:
    token = asked.query.get("token", "")
    purpose = purpose_of(asked.rt, token)
    if purpose is None:
        return asked.page("sign_in.html", 403, next="/", name="", problem="This link does not hold any more.")
    return asked.page("link.html", link=token, asks_password=purpose is LinkPurpose.SET_PASSWORD, problem="")


def _use_link(asked: ConsoleRequest) -> Response:
    token, password = asked.text("link"), asked.form.get("password")
    try:
        done = redeem_link(asked.rt, token, client_of(asked), password=password if isinstance(password, str) else None)
    except InvalidInput as error:
        return asked.page("link.html", 422, link=token, asks_password=True, problem=str(error))
    if isinstance(done, SignedIn):
        return _begun(asked, done, "/")
    problem = refusal(done, "This link does not hold any more.")
    return asked.page("sign_in.html", 429 if done.retry_after else 403, next="/", name="", problem=problem)


def _sign_out(asked: ConsoleRequest) -> Response:
    if asked.session:
        end_session(asked.rt, asked.session.user, asked.session.id)
    response = asked.redirect("/sign-in")
    session_cookie.delete_token(asked.http, response)
    return response


def _next(wanted: str) -> str:
    """Return a path of this console to go to after signing in; any other address becomes the overview."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own and not wanted.startswith("/sign-") else "/"


ROUTES = (
    ConsoleRoute("GET", "/sign-in", _show, None),
    ConsoleRoute("POST", "/sign-in", _sign_in, None, limit=_FORM),
    ConsoleRoute("GET", "/sign-in/code", _show_code, None),
    ConsoleRoute("POST", "/sign-in/code", _confirm, None, limit=_FORM),
    ConsoleRoute("GET", "/link", _show_link, None),
    ConsoleRoute("POST", "/link", _use_link, None, limit=_FORM),
    ConsoleRoute("POST", "/sign-out", _sign_out, None, limit=_FORM),
)
