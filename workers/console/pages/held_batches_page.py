"""Held batches: what waits for an account, a carrier or a campaign, and until when."""

from starlette.responses import Response

from pipeline.stages.admin.held_batch_pages import held_batch_page
from schema.vocabulary import HoldReason, Right
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: batches on a page
_PAGE = 50
_WHY = {
    HoldReason.ACCOUNT: "its account is suspended",
    HoldReason.CARRIER: "no carrier takes it",
    HoldReason.CAMPAIGN: "its campaign is paused or aborted",
}


def _list(asked: ConsoleRequest) -> Response:
    page = held_batch_page(asked.rt, asked.query.get("cursor", ""), _PAGE)
    return asked.page("held_batches.html", page=page, why=_WHY)


ROUTES = (ConsoleRoute("GET", "/held-batches", _list, Right.VIEW_OPERATIONS, is_for_operators=True),)
