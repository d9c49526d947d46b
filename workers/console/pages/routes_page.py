"""Routes and prices in force, and the route that a message to a number would take now."""

from starlette.responses import Response

from pipeline.errors import ConfigurationError, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.explain_route import ForeseenRoute, foresee
from pipeline.stages.admin.prices import some_prices
from pipeline.stages.admin.routes import some_routes
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
    routes, more_routes = some_routes(asked.rt, wanted["destination"], wanted["carrier"] or None, _MOST)
    may_view_money = asked.may(Right.VIEW_MONEY)
    prices, more_prices = some_prices(asked.rt, _MOST, destination=wanted["destination"]) if may_view_money else ([], 0)
    return asked.page(
        "routes.html",
        422 if problem else 200,
        routes=routes,
        more_routes=more_routes,
        prices=prices,
        more_prices=more_prices,
        may_view_money=may_view_money,
        wanted=wanted,
        given=given or dict.fromkeys(_FIELDS, ""),
        found=found,
        problem=problem,
        accounts=list(account_names(asked.rt)),
        cost=cost,
        why=WHY,
    )


ROUTES = (
    ConsoleRoute("GET", "/routes", _show, Right.VIEW_OPERATIONS, is_for_operators=True),
    ConsoleRoute("POST", "/routes/explain", _explain, Right.VIEW_OPERATIONS, is_for_operators=True),
)
