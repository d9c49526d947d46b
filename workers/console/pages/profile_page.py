"""A user's own page: roles, password, second factor, and sessions."""

from starlette.responses import Response

from pipeline.stages.users.passwords import change_password
from pipeline.stages.users.totp import set_up_totp, start_totp, stop_totp
from pipeline.stages.users.user_sessions import end_all_sessions, end_session, list_sessions
from schema.user import SignInDenied
from schema.vocabulary import Right
from workers.console.console_routes import ConsoleRequest, ConsoleRoute
from workers.console.pages.sign_in_page import client_of, refusal


def _show(asked: ConsoleRequest) -> Response:
    return _page(asked)


def _page(asked: ConsoleRequest, problem: str = "", status: int = 200, **values: object) -> Response:
    sessions = list_sessions(asked.rt, asked.user.user)
    return asked.page("profile.html", status, sessions=sessions, problem=problem, secret=None, **values)


def _change_password(asked: ConsoleRequest) -> Response:
    present, new = asked.form.get("present"), asked.form.get("new")
    present, new = (each if isinstance(each, str) else "" for each in (present, new))
    denied = change_password(asked.rt, asked.user, present, new, client_of(asked))
    if denied:
        return _page(asked, refusal(denied, "The present password is wrong."), 403)
    return asked.redirect("/profile", notice="Your password is changed; your other sessions have ended.")


def _set_up(asked: ConsoleRequest) -> Response:
    given = asked.form.get("present")
    made = set_up_totp(asked.rt, asked.user.user, given if isinstance(given, str) else "", client_of(asked))
    if isinstance(made, SignInDenied):
        return _page(asked, refusal(made, "The password is wrong."), 403)
    return asked.page("second_factor.html", secret=made, problem="")


def _start(asked: ConsoleRequest) -> Response:
    denied = start_totp(asked.rt, asked.user, asked.text("code"))
    if denied:
        return _page(asked, refusal(denied, "That code was wrong: set the second factor up again."), 403)
    return asked.redirect("/profile", notice="The second factor is in use from now on.")


def _stop(asked: ConsoleRequest) -> Response:
    denied: SignInDenied | None = stop_totp(asked.rt, asked.user.user, asked.text("code"))
    if denied:
        return _page(asked, refusal(denied, "That code was wrong."), 403)
    return asked.redirect("/profile", notice="The second factor is removed.")


def _end_session(asked: ConsoleRequest) -> Response:
    end_session(asked.rt, asked.user.user, int(asked.path["id"]))
    return asked.redirect("/profile", notice="The session has ended.")


def _end_others(asked: ConsoleRequest) -> Response:
    ended = end_all_sessions(asked.rt, asked.user.user.name, but=asked.user.id)
    return asked.redirect("/profile", notice=f"{ended} other sessions have ended.")


ROUTES = (
    ConsoleRoute("GET", "/profile", _show, Right.VIEW),
    ConsoleRoute("POST", "/profile/password", _change_password, Right.VIEW),
    ConsoleRoute("POST", "/profile/second-factor", _set_up, Right.VIEW),
    ConsoleRoute("POST", "/profile/second-factor/start", _start, Right.VIEW),
    ConsoleRoute("POST", "/profile/second-factor/stop", _stop, Right.VIEW),
    ConsoleRoute("POST", "/profile/sessions/end", _end_others, Right.VIEW),
    ConsoleRoute("POST", "/profile/sessions/{id:int}/end", _end_session, Right.VIEW),
)
