"""Users of the console, as administrators create, change and disable them."""

from starlette.responses import Response

from pipeline.errors import PostroadError
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.users.login_links import LoginLink, make_link
from pipeline.stages.users.totp import remove_totp
from pipeline.stages.users.user_sessions import end_all_sessions
from pipeline.stages.users.users import create_user, disable_user, enable_user, list_users, set_roles
from schema.vocabulary import LinkPurpose, Right, Role
from workers.console.console_routes import ConsoleRequest, ConsoleRoute


def _show(asked: ConsoleRequest) -> Response:
    return _page(asked)


def _page(asked: ConsoleRequest, problem: str = "", link: LoginLink | None = None) -> Response:
    rt = asked.rt
    return asked.page(
        "users.html",
        422 if problem else 200,
        users=list_users(rt, asked.account),
        roles=list(Role),
        accounts=[] if asked.account else list(account_names(rt)),
        problem=problem,
        link=link,
        link_url=f"{rt.settings.console_address}/link?token={link.token}" if link else "",
    )


def _create(asked: ConsoleRequest) -> Response:
    account = asked.account or asked.text("account") or None
    try:
        user = create_user(asked.rt, asked.text("name"), _roles(asked), account=account)
    except PostroadError as error:
        return _page(asked, str(error))
    return _page(asked, link=make_link(asked.rt, user.name, LinkPurpose.SET_PASSWORD, by=asked.user.user))


def _roles(asked: ConsoleRequest) -> list[Role]:
    return [role for role in Role if role in asked.form.getlist("role")]


def _set_roles(asked: ConsoleRequest) -> Response:
    name = asked.path["name"]
    try:
        set_roles(asked.rt, name, _roles(asked), by=asked.user.user)
    except PostroadError as error:
        return _page(asked, str(error))
    return asked.redirect("/users", notice=f"The roles of {name} are set.")


def _disable(asked: ConsoleRequest) -> Response:
    disable_user(asked.rt, asked.path["name"], by=asked.user.user)
    return asked.redirect("/users", notice=f"{asked.path['name']} is disabled; all sessions have ended.")


def _enable(asked: ConsoleRequest) -> Response:
    enable_user(asked.rt, asked.path["name"], by=asked.user.user)
    return asked.redirect("/users", notice=f"{asked.path['name']} may sign in again.")


def _end_sessions(asked: ConsoleRequest) -> Response:
    ended = end_all_sessions(asked.rt, asked.path["name"], by=asked.user.user)
    return asked.redirect("/users", notice=f"{ended} sessions of {asked.path['name']} have ended.")


def _make_link(asked: ConsoleRequest) -> Response:
    link = make_link(asked.rt, asked.path["name"], LinkPurpose.SET_PASSWORD, by=asked.user.user)
    return _page(asked, link=link)


def _remove_totp(asked: ConsoleRequest) -> Response:
    remove_totp(asked.rt, asked.path["name"], by=asked.user.user)
    return asked.redirect("/users", notice=f"{asked.path['name']} has no second factor any more.")


ROUTES = (
    ConsoleRoute("GET", "/users", _show, Right.MANAGE_USERS),
    ConsoleRoute("POST", "/users", _create, Right.MANAGE_USERS),
    ConsoleRoute("POST", "/users/{name}/roles", _set_roles, Right.MANAGE_USERS),
    ConsoleRoute("POST", "/users/{name}/disable", _disable, Right.MANAGE_USERS),
    ConsoleRoute("POST", "/users/{name}/enable", _enable, Right.MANAGE_USERS),
    ConsoleRoute("POST", "/users/{name}/end-sessions", _end_sessions, Right.MANAGE_USERS),
    ConsoleRoute("POST", "/users/{name}/link", _make_link, Right.MANAGE_USERS),
    ConsoleRoute("POST", "/users/{name}/remove-second-factor", _remove_totp, Right.MANAGE_USERS),
)
