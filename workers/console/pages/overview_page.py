"""The first page: what needs a person, the traffic of the last hour, what waits, and the carriers' state."""

from typing import Any

from starlette.responses import Response

from pipeline.stages.admin.attention import read_attention
from pipeline.stages.admin.carrier_overview import carrier_overview
from pipeline.stages.admin.traffic import backlog_of, traffic
from pipeline.stages.carrier_placement import all_placements
from schema.vocabulary import Right
from workers.broker.broker_view import recent_view
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: seconds for which the workers that answered are not asked again
_VIEW_SECONDS = 10.0


def _show(asked: ConsoleRequest) -> Response:
    return asked.page("overview.html", **_values(asked))


def _show_live(asked: ConsoleRequest) -> Response:
    return asked.page("overview_live.html", **_values(asked))


def _show_attention(asked: ConsoleRequest) -> Response:
    url = asked.rt.settings.broker_url.get_secret_value()
    broker = recent_view(url, all_placements(asked.rt), _VIEW_SECONDS)
    return asked.page("attention.html", attention=read_attention(asked.rt, broker))


def _values(asked: ConsoleRequest) -> dict[str, Any]:
    found = traffic(asked.rt, asked.account)
    if asked.account is not None:
        return {"traffic": found, "backlog": None, "carriers": []}
    return {
        "traffic": found,
        "backlog": backlog_of(asked.rt),
        "carriers": carrier_overview(asked.rt),
    }


ROUTES = (
    ConsoleRoute("GET", "/", _show, Right.VIEW),
    ConsoleRoute("GET", "/overview", _show_live, Right.VIEW),
    ConsoleRoute("GET", "/overview/attention", _show_attention, Right.VIEW_OPERATIONS, is_for_operators=True),
)
