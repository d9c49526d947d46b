"""Inbound messages: what handsets sent, with masked numbers, and one message revealed."""

from uuid import UUID

from starlette.responses import Response

from pipeline.errors import NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.inbound_pages import InboundRow, inbound_page, reveal_inbound, show_inbound
from schema.vocabulary import Right
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: messages on a page
_PAGE = 50


def _list(asked: ConsoleRequest) -> Response:
    names = account_names(asked.rt)
    wanted = asked.account or asked.query.get("account", "")
    if wanted and wanted not in names:
        raise NotFound(f"there is no account {wanted!r}")
    return asked.page(
        "inbound.html",
        page=inbound_page(asked.rt, names[wanted] if wanted else None, asked.query.get("cursor", ""), _PAGE),
        names={id_: name for name, id_ in names.items()},
        accounts=[] if asked.account else list(names),
        wanted=wanted,
    )


def _show(asked: ConsoleRequest) -> Response:
    return _page(asked, show_inbound(asked.rt, asked.user.user.account_id, _id(asked)), is_revealed=False)


def _reveal(asked: ConsoleRequest) -> Response:
    return _page(asked, reveal_inbound(asked.rt, asked.user.user.account_id, _id(asked)), is_revealed=True)


def _id(asked: ConsoleRequest) -> UUID:
    try:
        return UUID(asked.path["id"])
    except ValueError:
        raise NotFound(f"{asked.path['id']} is no id") from None


def _page(asked: ConsoleRequest, message: InboundRow, *, is_revealed: bool) -> Response:
    names = {id_: name for name, id_ in account_names(asked.rt).items()}
    return asked.page(
        "inbound_message.html",
        message=message,
        account=names.get(message.account) if message.account else None,
        is_revealed=is_revealed,
        may_reveal=asked.may(Right.REVEAL_NUMBERS),
    )


ROUTES = (
    ConsoleRoute("GET", "/inbound", _list, Right.VIEW),
    ConsoleRoute("GET", "/inbound/{id}", _show, Right.VIEW),
    ConsoleRoute("POST", "/inbound/{id}/reveal", _reveal, Right.REVEAL_NUMBERS),
)
