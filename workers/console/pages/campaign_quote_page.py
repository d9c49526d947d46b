"""The quote of a campaign: what it would send and cost, rows as their recipients read them, a test send, approval."""

import unicodedata
from dataclasses import dataclass
from typing import Any

from kombu.exceptions import OperationalError
from starlette.responses import Response

from pipeline.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from pipeline.stages.admin.find_messages import e164
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.history import note_test_send
from pipeline.stages.campaigns.next_steps import next_steps
from pipeline.stages.campaigns.preview import RowPreview
from pipeline.stages.campaigns.read_quote import Quote, read_quote
from pipeline.stages.campaigns.results import masked_number
from pipeline.stages.unseal import own_key
from schema.campaign import Campaign
from schema.vocabulary import Right
from workers.campaign_preview import order_to_oneself, preview
from workers.console.console_routes import ConsoleRequest, ConsoleRoute
from workers.console.pages.campaigns_page import campaign_of, rights_of_campaigns
from workers.producer import producer, submit
from workers.server_urls import broker_url

#: most digits of a number
_DIGITS = 18
#: highest line number of a row
_LAST_LINE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Character:
    """A character because of which texts are sent as UCS-2."""

    #: "" where it cannot be seen
    shown: str
    code: str
    name: str
    messages: int
    line: int


def _show(asked: ConsoleRequest) -> Response:
    found = campaign_of(asked)
    quoted = read_quote(asked.rt, found.id)
    return asked.page(
        "campaign_quote.html",
        campaign=quoted.campaign,
        rows=quoted.rows,
        quote=quoted.quote,
        countries=sorted(quoted.quote.by_country.items(), key=lambda item: -item[1].segments),
        characters=_characters(quoted.quote),
        steps=next_steps(asked.rt, quoted.campaign),
        rights=rights_of_campaigns(asked),
    )


def _characters(quote: Quote) -> list[_Character]:
    return [
        _Character(
            char if char.isprintable() else "",
            f"U+{ord(char):04X}",
            unicodedata.name(char, "").capitalize(),
            each.messages,
            each.line,
        )
        for char, each in sorted(quote.foreign.items(), key=lambda item: -item[1].messages)
    ]


def _approve(asked: ConsoleRequest) -> Response:
    found = campaign_of(asked)
    shown = asked.text("max_cost")
    if not (shown.isdecimal() and len(shown) <= _DIGITS):
        raise InvalidInput("max_cost: the cost that was approved is missing")
    approve(asked.rt, found.id, max_cost=int(shown))
    return asked.redirect(f"/campaigns/{found.id}", notice="It is approved, and may be started.")


def _preview(asked: ConsoleRequest) -> Response:
    if not rights_of_campaigns(asked)["read_rows"]:  # texts hold what recipients alone should read
        message = "your roles include neither the right to edit campaigns nor to approve them"
        return asked.page("error.html", 403, status=403, message=message)
    return _preview_page(asked, campaign_of(asked), asked.query.get("line", ""))


def _preview_page(
    asked: ConsoleRequest, campaign: Campaign, written: str, status: int = 200, **values: Any
) -> Response:
    problem, shown = "", None
    try:
        line = _line(written)
        shown = preview(asked.rt, campaign.id, line)
    except (InvalidInput, NotFound, Conflict) as error:
        problem, status = str(error), 422
    return asked.page(
        "campaign_preview.html",
        status,
        campaign=campaign,
        line=written,
        shown=shown,
        phone=_masked(shown),
        rights=rights_of_campaigns(asked),
        **{"problem": problem, "number": "", **values},
    )


def _masked(shown: RowPreview | None) -> str:
    return masked_number(shown.phone) if shown else ""


def _send_test(asked: ConsoleRequest) -> Response:
    """Send a row's text to a number of the user's own, an ordinary message of the account."""
    found, written = campaign_of(asked), asked.text("number")
    try:
        line, number = _line(asked.text("line")), e164(written, found.country)
        order = order_to_oneself(asked.rt, found.id, line, number)
    except (InvalidInput, NotFound, Conflict) as error:
        return _preview_page(asked, found, asked.text("line"), 422, problem=str(error), number=written)
    try:
        key = own_key(asked.rt, found.account) or ""
        request = submit(order, app=producer(broker_url(asked.rt.settings)), key=key)
    except (OperationalError, ConfigurationError):
        raise Conflict("the broker does not answer: nothing was sent; try again shortly") from None
    note_test_send(asked.rt, found, line, number)
    notice = f"The text is on its way to {masked_number(number)}. It is request {request}."
    return asked.redirect(f"/campaigns/{found.id}/preview", line=str(line), notice=notice)


def _line(written: str) -> int:
    if not (written.isdecimal() and len(written) <= _DIGITS and 0 < int(written) <= _LAST_LINE):
        raise InvalidInput("line: write the number of a line of the file, as a spreadsheet shows it")
    return int(written)


ROUTES = (
    ConsoleRoute("GET", "/campaigns/{id:uuid}/quote", _show, Right.VIEW),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/approve", _approve, Right.APPROVE_CAMPAIGNS),
    ConsoleRoute("GET", "/campaigns/{id:uuid}/preview", _preview, Right.VIEW),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/preview", _send_test, Right.EDIT_CAMPAIGNS),
)
