"""Carriers: their state, binds, outcomes by code and receipt delays; draining, resuming and limiting one."""

from datetime import timedelta

from starlette.responses import Response

from pipeline.errors import InvalidInput
from pipeline.stages.admin.carrier_outcomes import outcomes_of
from pipeline.stages.admin.carrier_status import carrier_statuses
from pipeline.stages.admin.carriers import HIGHEST_PACE, LOWEST_PACE, adjust_carrier, set_carrier_state
from schema.vocabulary import CarrierState, Right
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: how far back outcomes are counted, and receipts measured
_PERIOD = timedelta(minutes=15)
#: characters of a reason
_MOST_REASON = 200


def _list(asked: ConsoleRequest) -> Response:
    return asked.page("carriers.html", carriers=carrier_statuses(asked.rt, _PERIOD), period=_PERIOD)


def _show(asked: ConsoleRequest) -> Response:
    [carrier] = carrier_statuses(asked.rt, _PERIOD, asked.path["name"])
    return asked.page(
        "carrier.html",
        carrier=carrier,
        did=outcomes_of(asked.rt, carrier.name, _PERIOD),
        period=_PERIOD,
        may_operate=asked.may(Right.OPERATE_CARRIERS),
        lowest=LOWEST_PACE,
        highest=int(HIGHEST_PACE),
    )


def _drain(asked: ConsoleRequest) -> Response:
    name, reason = asked.path["name"], asked.text("reason")
    if not 0 < len(reason) <= _MOST_REASON:
        raise InvalidInput(f"say why it is drained, in at most {_MOST_REASON} characters")
    set_carrier_state(asked.rt, name, CarrierState.DRAINED, reason)
    return asked.redirect(f"/carriers/{name}", notice="The carrier is drained: it gets no more messages.")


def _resume(asked: ConsoleRequest) -> Response:
    name = asked.path["name"]
    set_carrier_state(asked.rt, name, CarrierState.ACTIVE)
    return asked.redirect(f"/carriers/{name}", notice="The carrier is active, and its breaker is closed.")


def _limit(asked: ConsoleRequest) -> Response:
    name, words = asked.path["name"], asked.text("pace")
    try:
        pace = float(words or 0)
    except ValueError:
        raise InvalidInput(f"{words!r} is no number of segments a second") from None
    adjust_carrier(asked.rt, name, None, pace)
    notice = f"It gets at most {pace:.10g} segments a second." if pace else "It has no limit any more."
    return asked.redirect(f"/carriers/{name}", notice=notice)


ROUTES = (
    ConsoleRoute("GET", "/carriers", _list, Right.VIEW_OPERATIONS, is_for_operators=True),
    ConsoleRoute("GET", "/carriers/{name}", _show, Right.VIEW_OPERATIONS, is_for_operators=True),
    ConsoleRoute("POST", "/carriers/{name}/drain", _drain, Right.OPERATE_CARRIERS, is_for_operators=True),
    ConsoleRoute("POST", "/carriers/{name}/resume", _resume, Right.OPERATE_CARRIERS, is_for_operators=True),
    ConsoleRoute("POST", "/carriers/{name}/limit", _limit, Right.OPERATE_CARRIERS, is_for_operators=True),
)
