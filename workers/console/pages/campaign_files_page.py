"""Recipients of a campaign: load a file, leave audiences out, list what is not sent, download what became of all."""

from collections.abc import Iterator
from itertools import islice

from starlette.responses import Response, StreamingResponse

from pipeline.errors import ConfigurationError, InvalidInput
from pipeline.stages.campaigns.create import change
from pipeline.stages.campaigns.exclude import MOST_NUMBERS, exclude_numbers, exclude_reached, exclude_recipients
from pipeline.stages.campaigns.find import find
from pipeline.stages.campaigns.history import note_download
from pipeline.stages.campaigns.results import masked_number
from pipeline.stages.campaigns.unsent_rows import unsent_page
from schema.campaign import Campaign
from schema.vocabulary import Right
from workers.campaign_csv import errors_csv, results_csv
from workers.console.campaign_upload import UPLOAD, blocks, load_rows, uploaded_rows
from workers.console.console_routes import ConsoleRequest, ConsoleRoute
from workers.console.pages.campaigns_page import campaign_of, rights_of_campaigns
from workers.number_file import read_numbers

#: most digits of a number of hours
_DIGITS = 9
#: rows on a page of errors
_PAGE = 100
#: most bytes of a form with numbers to leave out
_NUMBERS = 8 << 20


def _load(asked: ConsoleRequest) -> Response:
    found, file = campaign_of(asked), asked.file("file")
    if file is None:
        raise InvalidInput("choose a file")
    rows = uploaded_rows(file, found.body, found.merge, asked.text("column"))
    notice = load_rows(asked.rt, found, file, rows, respell=bool(asked.text("respell")))
    return asked.redirect(f"/campaigns/{found.id}", notice=notice)


def _leave_out(asked: ConsoleRequest) -> Response:
    found, rt, rows, words = campaign_of(asked), asked.rt, 0, ""
    if (file := asked.file("numbers")) is not None:
        try:
            numbers, faults = read_numbers(blocks(file))
        except ConfigurationError as error:
            raise InvalidInput(str(error)) from None
        if faults:
            raise InvalidInput(f"line {faults[0].line}: {faults[0].message}; nobody was left out")
        given = (number for _line, number in numbers)
        while portion := list(islice(given, MOST_NUMBERS)):
            rows += exclude_numbers(rt, found.id, portion)[0]
    if name := asked.text("recipients_of"):
        rows += exclude_recipients(rt, found.id, find(rt, found.account, name).id)
    if name := asked.text("not_reached_by"):
        rows += exclude_reached(rt, found.id, find(rt, found.account, name).id)
    if hours := asked.text("not_within_hours"):
        if not (hours.isdecimal() and len(hours) <= _DIGITS):
            raise InvalidInput("write hours as a whole number; 0 leaves out nobody for that reason")
        change(rt, found.id, {"not_within_hours": int(hours) or None})
        words = f" The next check leaves out who got a message within {hours} hours." if int(hours) else ""
    return asked.redirect(f"/campaigns/{found.id}", notice=f"{rows:,} rows are left out.{words}")


def _errors(asked: ConsoleRequest) -> Response:
    found, after = campaign_of(asked), asked.query.get("after", "0")
    start = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else 0
    rows = unsent_page(asked.rt, found.id, start, _PAGE + 1)
    return asked.page(
        "campaign_errors.html",
        campaign=found,
        rows=[row | {"phone": masked_number(row["phone"])} for row in rows[:_PAGE]],
        next_page=f"/campaigns/{found.id}/errors?after={rows[_PAGE - 1]['line']}" if len(rows) > _PAGE else "",
        rights=rights_of_campaigns(asked),
    )


def _errors_csv(asked: ConsoleRequest) -> Response:
    found = campaign_of(asked)
    return _download(asked, found, "errors", errors_csv(asked.rt, found.id, numbers=_is_unmasked(asked)))


def _results_csv(asked: ConsoleRequest) -> Response:
    found = campaign_of(asked)
    return _download(asked, found, "results", results_csv(asked.rt, found.id, numbers=_is_unmasked(asked)))


def _is_unmasked(asked: ConsoleRequest) -> bool:
    """Return whether the route is the one that requires the right to see numbers."""
    return asked.http.method == "POST"


def _download(asked: ConsoleRequest, campaign: Campaign, what: str, lines: Iterator[str]) -> Response:
    """Return a file that is read and sent portion by portion; one with full numbers is entered in the audit log."""
    if _is_unmasked(asked):
        note_download(asked.rt, campaign, f"{what}.csv")
    name = "".join(each if each.isascii() and each.isalnum() else "-" for each in campaign.name)
    headers = {"Content-Disposition": f'attachment; filename="{name}-{what}.csv"'}
    return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8")


ROUTES = (
    ConsoleRoute("POST", "/campaigns/{id:uuid}/recipients", _load, Right.EDIT_CAMPAIGNS, limit=UPLOAD),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/exclusions", _leave_out, Right.EDIT_CAMPAIGNS, limit=_NUMBERS),
    ConsoleRoute("GET", "/campaigns/{id:uuid}/errors", _errors, Right.VIEW),
    ConsoleRoute("GET", "/campaigns/{id:uuid}/errors.csv", _errors_csv, Right.VIEW),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/errors.csv", _errors_csv, Right.REVEAL_NUMBERS),
    ConsoleRoute("GET", "/campaigns/{id:uuid}/results.csv", _results_csv, Right.VIEW),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/results.csv", _results_csv, Right.REVEAL_NUMBERS),
)
