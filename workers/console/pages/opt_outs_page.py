"""Opt-outs: numbers that must not get messages, with masked numbers; opting a number out and in."""

from typing import Any

from starlette.responses import Response

from pipeline.errors import InvalidInput, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.compliance import opt_out
from pipeline.stages.admin.opt_out_pages import (
    OptOutList,
    opt_out_page,
    opt_outs_of,
    remove_opt_out,
    reveal_opt_out,
)
from schema.message_class import MessageClass
from schema.vocabulary import Right
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: opt-outs on a page
_PAGE = 50


def _list(asked: ConsoleRequest) -> Response:
    account = _account_id(asked, asked.query.get("account", ""))
    return _page(asked, opt_out_page(asked.rt, account, asked.query.get("cursor", ""), _PAGE))


def _search(asked: ConsoleRequest) -> Response:
    """Search by a number, which is posted: it appears in no URL."""
    number, country = asked.text("number"), asked.text("country").upper() or None
    try:
        found = opt_outs_of(asked.rt, _account_id(asked, ""), number, country, _PAGE)
    except InvalidInput as error:
        return _page(asked, OptOutList([], ""), 422, sought=number, problem=str(error))
    return _page(asked, found, sought=number)


def _page(asked: ConsoleRequest, page: OptOutList, status: int = 200, /, **values: Any) -> Response:
    return asked.page(
        "opt_outs.html",
        status,
        page=page,
        accounts=[] if asked.account else list(account_names(asked.rt)),
        wanted=asked.query.get("account", ""),
        classes=list(MessageClass),
        may_edit=asked.may(Right.EDIT_OPT_OUTS),
        may_reveal=asked.may(Right.REVEAL_NUMBERS),
        **{"sought": "", "problem": "", "revealed": None, "token": ""} | values,
    )


def _account_id(asked: ConsoleRequest, name: str) -> int | None:
    """Return the id of the user's account, else of that of the name; None: all."""
    if asked.account is not None or not name:
        return asked.user.user.account_id
    if (found := account_names(asked.rt).get(name)) is None:
        raise NotFound(f"there is no account {name!r}")
    return found


def _reveal(asked: ConsoleRequest) -> Response:
    number = reveal_opt_out(asked.rt, asked.user.user.account_id, asked.text("token"))
    found = opt_outs_of(asked.rt, asked.user.user.account_id, number, None, _PAGE)
    return _page(asked, found, sought=number, revealed=number)


def _add(asked: ConsoleRequest) -> Response:
    account = asked.account or asked.text("account") or None
    word = asked.text("class")
    if word and word not in set(MessageClass):
        raise InvalidInput(f"{word!r} is no class of messages")
    message_class = MessageClass(word) if word else None
    country = asked.text("country").upper() or None
    is_new = opt_out(asked.rt, account, asked.text("number"), asked.text("sender"), message_class, country)
    notice = "The number is opted out." if is_new else "The number was opted out already."
    return asked.redirect("/opt-outs", notice=notice)


def _remove(asked: ConsoleRequest) -> Response:
    remove_opt_out(asked.rt, asked.user.user.account_id, asked.text("token"))
    return asked.redirect("/opt-outs", notice="The opt-out is removed: the number gets messages again.")


ROUTES = (
    ConsoleRoute("GET", "/opt-outs", _list, Right.VIEW),
    ConsoleRoute("POST", "/opt-outs/search", _search, Right.VIEW),
    ConsoleRoute("POST", "/opt-outs/reveal", _reveal, Right.REVEAL_NUMBERS),
    ConsoleRoute("POST", "/opt-outs/add", _add, Right.EDIT_OPT_OUTS),
    ConsoleRoute("POST", "/opt-outs/remove", _remove, Right.EDIT_OPT_OUTS),
)
