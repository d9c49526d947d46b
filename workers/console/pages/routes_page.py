"""Routes and prices in force, and the route that a message to a number would take now."""

from typing import Any

from starlette.responses import Response

from pipeline.errors import ConfigurationError, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.explain_route import ForeseenRoute, foresee
from pipeline.stages.admin.prices import list_prices
from pipeline.stages.admin.routes import list_routes
from schema.vocabulary import Right
from workers.cli.terminal.route_view import WHY, cost
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: most routes, and most prices, on the page
_MOST = 500
_FIELDS = ("number", "country", "account", "sender", "text")


def _show(asked: ConsoleRequest) -> Response:
    return _page(asked)


def _explain(asked: ConsoleRequest) -> Response:
    """Say where a message would go; the number is posted, so that it appears in no URL."""
    given = {name: asked.text(name) for name in _FIELDS}
    try:
        found = foresee(
            asked.rt,
            given["account"],
            given["number"],
            given["sender"],
            given["text"],
            given["country"].upper() or None,
        )
    except (ConfigurationError, NotFound) as error:
        return _page(asked, given, problem=str(error))
    return _page(asked, given, found)


def _page(
    asked: ConsoleRequest, given: dict[str, str] | None = None, found: ForeseenRoute | None = None, problem: str = ""
) -> Response:
    wanted = {name: asked.query.get(name, "").strip() for name in ("destination", "carrier")}
    routes = [each for each in list_routes(asked.rt) if _fits(each, wanted)]
    prices = list_prices(asked.rt) if asked.may(Right.VIEW_MONEY) else []
    prices = [each for each in prices if each["destination"].startswith(wanted["destination"])]
    return asked.page(
        "routes.html",
        422 if problem else 200,
        routes=routes[:_MOST],
        more_routes=len(routes[_MOST:]),
        prices=prices[:_MOST],
        more_prices=len(prices[_MOST:]),
        may_view_money=asked.may(Right.VIEW_MONEY),
        wanted=wanted,
        given=given or dict.fromkeys(_FIELDS, ""),
        found=found,
        problem=problem,
        accounts=list(account_names(asked.rt)),
        cost=cost,
        why=WHY,
    )


def _fits(route: dict[str, Any], wanted: dict[str, str]) -> bool:
    return route["destination"].startswith(wanted["destination"]) and wanted["carrier"] in ("", route["carrier"])


ROUTES = (
    ConsoleRoute("GET", "/routes", _show, Right.VIEW_OPERATIONS, is_for_operators=True),
    ConsoleRoute("POST", "/routes/explain", _explain, Right.VIEW_OPERATIONS, is_for_operators=True),
)
