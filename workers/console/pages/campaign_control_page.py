"""Control of a campaign: check, start, pause, resume, abort, limit, and the end of its series."""

from collections.abc import Callable

from starlette.responses import Response

from pipeline.errors import InvalidInput
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.series import end_repeat
from schema.campaign import Campaign
from schema.vocabulary import CampaignState, Right
from workers.campaign_wiring import abort
from workers.console.console_routes import ConsoleRequest, ConsoleRoute, Handler
from workers.console.pages.campaigns_page import campaign_of


def _then(operation: Callable[[ConsoleRequest, Campaign], str]) -> Handler:
    """Return the handler of an operation: it leads back to the campaign, with what the operation says."""

    def handle(asked: ConsoleRequest) -> Response:
        found = campaign_of(asked)
        return asked.redirect(f"/campaigns/{found.id}", notice=operation(asked, found))

    return handle


def _check(asked: ConsoleRequest, campaign: Campaign) -> str:
    start_check(asked.rt, campaign.id)
    return "Its recipients are being checked and priced."


def _start(asked: ConsoleRequest, campaign: Campaign) -> str:
    is_scheduled = control.start(asked.rt, campaign.id) is CampaignState.SCHEDULED
    return "It is scheduled, and begins at its send time." if is_scheduled else "It is started."


def _pause(asked: ConsoleRequest, campaign: Campaign) -> str:
    control.pause(asked.rt, campaign.id, asked.text("reason"))
    return "It is paused: nothing more of it is handed to carriers."


def _resume(asked: ConsoleRequest, campaign: Campaign) -> str:
    control.resume(asked.rt, campaign.id)
    return "It goes on where it was."


def _abort(asked: ConsoleRequest, campaign: Campaign) -> str:
    abort(asked.rt, campaign.id, asked.text("reason"))
    return "It is aborted: what no carrier has is cancelled, and its money released."


def _limit(asked: ConsoleRequest, campaign: Campaign) -> str:
    try:
        per_hour, per_second = (float(asked.text(name) or 0) for name in ("per_hour", "segments_per_second"))
        changed = control.limit(asked.rt, campaign.id, per_hour=int(per_hour), segments_per_second=per_second)
    except (ValueError, OverflowError):
        raise InvalidInput("write both limits as numbers; an empty one is none") from None
    hourly = f"{changed.per_hour:,} recipients an hour" if changed.per_hour else "any number of recipients an hour"
    second = f"{changed.segments_per_second:g}" if changed.segments_per_second else "any number of"
    return f"From now on: {hourly}, {second} segments a second."


def _end_repeat(asked: ConsoleRequest, campaign: Campaign) -> str:
    left = end_repeat(asked.rt, campaign.id, asked.text("reason"))
    names = ", ".join(f"{each.name} is {each.state}" for each in left)
    return "Its series has ended." + (f" What goes on unless it is aborted: {names}." if names else "")


ROUTES = (
    ConsoleRoute("POST", "/campaigns/{id:uuid}/check", _then(_check), Right.EDIT_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/start", _then(_start), Right.CONTROL_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/pause", _then(_pause), Right.CONTROL_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/resume", _then(_resume), Right.CONTROL_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/abort", _then(_abort), Right.CONTROL_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/limit", _then(_limit), Right.CONTROL_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/end-repeat", _then(_end_repeat), Right.CONTROL_CAMPAIGNS),
)
