"""Campaigns: a list of them, and one of them live: how far it is, what it waits for, who did what."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from pipeline.stages.admin.account_names import account_names
from pipeline.stages.campaigns.counts import CampaignCounts, campaign_counts
from pipeline.stages.campaigns.find import find
from pipeline.stages.campaigns.history import campaign_history
from pipeline.stages.campaigns.list_campaigns import campaign_page
from pipeline.stages.campaigns.next_steps import next_steps
from pipeline.stages.campaigns.results import CampaignStanding, standing
from pipeline.stages.campaigns.series import read_series
from schema.campaign import Campaign
from schema.vocabulary import CampaignState, Right, Status
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: campaigns on a page
_PAGE = 50
_MINUTE = timedelta(minutes=1)
#: fewest minutes of the plot
_FEWEST = 10
_GATES = {"failed": "failed", "undelivered": "undelivered", "opted_out": "opted out"}
_STATUSES = (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.FAILED, Status.REJECTED)


def campaign_of(asked: ConsoleRequest) -> Campaign:
    """Return the campaign in the path; NotFound: there is none that this user may see."""
    return find(asked.rt, asked.account, str(asked.path["id"]))


def _list(asked: ConsoleRequest) -> Response:
    account = asked.account or asked.query.get("account", "")
    wanted = asked.query.get("state", "")
    state = CampaignState(wanted) if wanted in set(CampaignState) else None
    page = campaign_page(asked.rt, account or None, state, _PAGE, _cursor(asked.query.get("before", "")))
    following = {**asked.query, "before": page.cursor.hex} if page.cursor else None
    return asked.page(
        "campaigns.html",
        page=page,
        account=account,
        state=wanted,
        states=list(CampaignState),
        accounts=[] if asked.account else list(account_names(asked.rt)),
        next_page=f"/campaigns?{urlencode(following)}" if following else "",
        may_edit=asked.may(Right.EDIT_CAMPAIGNS),
    )


def _cursor(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def _show(asked: ConsoleRequest) -> Response:
    found = campaign_of(asked)
    values = {"gates": _gates(found), "series": read_series(asked.rt, found), "problem": asked.sealed_words("problem")}
    return asked.page("campaign.html", **values, **_values(asked, found))


def _gates(campaign: Campaign) -> str:
    """Return when a campaign pauses itself, in words; "": it has no gates."""
    given = campaign.gates
    shares = [f"{100 * given[name]:g} % {words}" for name, words in _GATES.items() if given.get(name)]
    return f"pause above {', '.join(shares)}, of {given.get('min_sample', 50)} or more" if shares else ""


def _show_live(asked: ConsoleRequest) -> Response:
    return asked.page("campaign_live.html", **_values(asked, campaign_of(asked)))


def _values(asked: ConsoleRequest, campaign: Campaign) -> dict[str, Any]:
    seen, counts, now = standing(asked.rt, campaign.id), campaign_counts(asked.rt, campaign.id), asked.rt.now()
    return {
        "campaign": seen.campaign,
        "seen": seen,
        "counts": counts,
        "steps": next_steps(asked.rt, seen.campaign),
        "history": campaign_history(asked.rt, seen.campaign),
        "seconds_left": _seconds_left(seen, counts, now),
        "minutes": _minutes(counts, now),
        "plotted": [str(each).capitalize() for each in _STATUSES],
        "rights": rights_of_campaigns(asked),
    }


def rights_of_campaigns(asked: ConsoleRequest) -> dict[str, bool]:
    """Return what this user may do with campaigns, whatever their state."""
    return {
        "edit": asked.may(Right.EDIT_CAMPAIGNS),
        "approve": asked.may(Right.APPROVE_CAMPAIGNS),
        "control": asked.may(Right.CONTROL_CAMPAIGNS),
        "reveal": asked.may(Right.REVEAL_NUMBERS),
        "view_money": asked.may(Right.VIEW_MONEY),
        "view_operations": asked.may(Right.VIEW_OPERATIONS),
        "read_rows": asked.may(Right.EDIT_CAMPAIGNS) or asked.may(Right.APPROVE_CAMPAIGNS),
    }


def _seconds_left(seen: CampaignStanding, counts: CampaignCounts, now: datetime) -> float | None:
    """Return in how many seconds a running campaign is through at its present speed; None: that is not known."""
    if seen.campaign.state is not CampaignState.RUNNING:
        return None
    speed = counts.per_second(seen.campaign.started_at, now)
    return (seen.progress.pending + sum(seen.waiting.values())) / speed if speed else None


def _minutes(counts: CampaignCounts, now: datetime) -> Sequence[tuple[datetime, list[int]]]:
    """Return each minute of the plot with a count a column: since messages changed their status, ten at least."""
    if not counts.minutes:
        return []
    summed: Counter[tuple[datetime, Status]] = Counter()
    for each in counts.minutes:
        summed[each.minute, each.status] += each.messages
    last = now.replace(second=0, microsecond=0)
    first = min(counts.minutes[0].minute - _MINUTE, last - _FEWEST * _MINUTE)
    times = [first + _MINUTE * place for place in range((last - first) // _MINUTE + 1)]
    return [(time, [summed[time, status] for status in _STATUSES]) for time in times]


ROUTES = (
    ConsoleRoute("GET", "/campaigns", _list, Right.VIEW),
    ConsoleRoute("GET", "/campaigns/{id:uuid}", _show, Right.VIEW),
    ConsoleRoute("GET", "/campaigns/{id:uuid}/live", _show_live, Right.VIEW),
)
