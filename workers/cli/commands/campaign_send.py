"""`postroad campaign send`: creates a campaign from a CSV file, checks, approves and starts it in one command."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from pipeline.errors import Conflict
from pipeline.runtime import Runtime
from pipeline.stages.admin.order_preview import template_text
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.counts import campaign_counts
from pipeline.stages.campaigns.create import create as create_campaign
from pipeline.stages.campaigns.find import find, find_same
from pipeline.stages.campaigns.load import PORTION, faults_of
from pipeline.stages.campaigns.read_quote import QuotedCampaign, read_quote, spell
from pipeline.stages.campaigns.results import CampaignStanding
from pipeline.stages.campaigns.unsent_rows import unsent_rows
from schema.campaign import Campaign, CampaignDefinition
from schema.error_codes import Code
from schema.vocabulary import CampaignState, PauseCause, RowVerdict, Status
from workers.cli.commands.campaign_create import blocks, file_rows, load_rows, read_options
from workers.cli.commands.campaign_quotes import check_rows
from workers.cli.commands.send import TIMEOUT
from workers.cli.terminal.campaign_options import FORMAT, JSON, require_one_text, with_content, with_limits
from workers.cli.terminal.campaign_quote import quote_lines
from workers.cli.terminal.campaign_waiting import unfinished, wait_for_end
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import FromNow
from workers.cli.terminal.table_layout import as_json, table

#: malformed lines that are listed
_REPORTED = 20
#: verdicts that are the line's own fault
_BROKEN = {
    *(RowVerdict.MALFORMED, Code.PHONE_INVALID, Code.INVALID_FIELD),
    *(Code.MERGE_FIELD_MISSING, Code.BODY_EMPTY, Code.BODY_TOO_LONG),
}
#: states that a check follows
_UNCHECKED = {
    *(CampaignState.DRAFT, CampaignState.CHECKING, CampaignState.FAILED),
    *(CampaignState.QUOTED, CampaignState.STALE),
}
#: reasons of a pause that is not an operator's or a gate's: the campaign is resumed
_RESUMED = {*map(str, Code), PauseCause.QUOTE_EXCEEDED}

_EPILOG = """
\b
Example, people.csv:
  to,name,day
  +2348031234567,Ada,Monday
  +447400123456,Ben,Tuesday
postroad campaign send people.csv --text 'Hello ${name}, see you on ${day}.' --name spring --max-cost 5000 --wait
"""


@click.command(epilog=_EPILOG, short_help="Send a text to a file of numbers, in one go.")
@with_content
@click.option("--name", help="The campaign's name: repeated under the same name, no recipient gets it twice.")
@click.option("--max-cost", type=click.IntRange(0), help="Send it if it costs at most this, in minor units.")
@with_limits
@FORMAT
@click.option("--strict", is_flag=True, help="Send nothing if any line is malformed.")
@click.option("--wait", "waits", is_flag=True, help="Wait until the campaign has ended, and count its statuses.")
@JSON
def send(
    file: Path,
    name: str | None,
    column: str | None,
    format_: str | None,
    max_cost: int | None,
    strict: bool,
    waits: bool,
    json_: bool,
    **given: Any,
) -> int:
    """Send a text to every number in FILE, a CSV file in UTF-8; - reads stdin.

    The first line names the columns, in any case. The column to, phone, number or msisdn holds the numbers, `country`
    (optional) the ISO code of the country of a number without a plus, `correlation_id` your own id of each message,
    `time_zone` the recipient's for --local-hours; other columns that the text names are merge fields. The delimiter is
    comma, semicolon or tab.

    It is `campaign create`, `check`, `approve` and `start` in one: it needs the database. The quote is approved within
    --max-cost; without it you are asked, unless it costs nothing. A malformed line, or one with an invalid number, is
    reported and left out; the others are sent.

    Repeated with the same file and options under the same --name it goes on where it was, and resumes a campaign that
    lacked money; nobody gets it twice. Correct malformed lines in another file, under another name.

    Exit codes: 0 started (with --wait: finished), though lines may be malformed; 1 the name has another file or other
    options, the cost is not approved, no recipient can get it, it is paused or was aborted, or with --wait: it did not
    finish; 2 the file or an option is invalid, all lines are malformed, any with --strict, or --max-cost is missing:
    nothing was sent; 3 the database is unreachable.
    """
    require_one_text(given)
    if strict and str(file) == "-":
        raise click.UsageError("--strict reads the file twice: it cannot be stdin")
    definition = read_options({**given, "name": name or _made_name(file)})
    with opened() as rt:
        found = _loaded(rt, definition, file, format_, column, given, strict=strict)
        if found.state in _UNCHECKED:
            check_rows(rt, found)
        sent = _read(rt, found)
        is_asked = sys.stdin.isatty() and str(file) != "-"
        code = _start(rt, sent, max_cost, strict=strict, json_=json_, is_asked=is_asked)
        standing = wait_for_end(rt, found, timeout=TIMEOUT) if waits and not code else None
        sent = _read(rt, found)
        if json_:
            click.echo(as_json(_summary(rt, sent, standing)))
        else:
            _print_result(rt, sent, standing)
    return code or _code_of(sent, standing)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A campaign and what is sent of its file."""

    quoted: QuotedCampaign
    #: lines that are at fault
    broken: Sequence[Mapping[str, Any]]

    @property
    def campaign(self) -> Campaign:
        return self.quoted.campaign

    @property
    def recipients(self) -> int:
        return self.quoted.quote.total.messages

    @property
    def cost(self) -> int:
        return self.quoted.quote.total.amount


def _made_name(file: Path) -> str:
    """Return a name that no other campaign has: the file's and the time."""
    word = re.sub(r"[^\w.]+", "-", file.stem).strip("-")[:30] or "stdin"
    return f"{word}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"


# Create and load ------------------------------------------------------------------------------------------------


def _loaded(
    rt: Runtime,
    definition: CampaignDefinition,
    file: Path,
    format_: str | None,
    column: str | None,
    given: Mapping[str, Any],
    *,
    strict: bool,
) -> Campaign:
    """Return the campaign with the file's rows: a new one, or the one of this name; Conflict: that is another one."""
    passed_over = [name for name in ("send_at", "valid_until") if given[name] is None or _is_relative(given[name])]
    found = find_same(rt, definition, passed_over)
    text = found.body if found else definition.body or template_text(rt, definition.account, definition.template or "")
    if strict:
        _require_whole(definition, file, format_, text, column)
    with blocks(file) as content:
        rows = file_rows(file, content, format_, text, found.merge if found else definition.merge, column)
        campaign = found or create_campaign(rt, definition)
        load_rows(rt, campaign, rows, file)
    return find(rt, definition.account, definition.name)


def _is_relative(time: datetime) -> bool:
    return isinstance(time, FromNow)


def _require_whole(
    definition: CampaignDefinition, file: Path, format_: str | None, text: str, column: str | None
) -> None:
    """Report the malformed lines of a file, and send nothing, when there are any."""
    faults: list[tuple[int, str]] = []
    with blocks(file) as content:
        rows = file_rows(file, content, format_, text, definition.merge, column)
        while portion := list(islice(rows, PORTION)):
            faults += faults_of(definition, portion)
    if faults:
        _report(faults)
        raise click.UsageError(f"{len(faults):,} malformed lines: nothing was sent")


def _read(rt: Runtime, campaign: Campaign) -> _Sent:
    broken = [
        {"line": row["line"], "message": row["fault"]}
        for row in unsent_rows(rt, campaign.id)
        if row["verdict"] in _BROKEN
    ]
    return _Sent(read_quote(rt, campaign.id), broken)


# Approve and start ----------------------------------------------------------------------------------------------


def _start(rt: Runtime, sent: _Sent, max_cost: int | None, *, strict: bool, json_: bool, is_asked: bool) -> int:
    """Take a checked campaign to its start, or let it go on; return the exit code, 0 if it is started or finished."""
    found = sent.campaign
    _report([(each["line"], each["message"]) for each in sent.broken])
    match found.state:
        case CampaignState.QUOTED:
            if strict and sent.broken:
                raise click.UsageError(f"{len(sent.broken):,} malformed lines: nothing was sent")
            is_shown_on_stderr = json_ and is_asked
            if not json_ or is_shown_on_stderr:
                click.echo(quote_lines(sent.quoted) + "\n", err=is_shown_on_stderr)
            if not _approve(rt, sent, max_cost, is_asked=is_asked):
                return 1
            control.start(rt, found.id)
        case CampaignState.APPROVED:
            if max_cost is not None and (found.max_cost or 0) > max_cost:
                most = spell(max_cost, found)
                raise Conflict(
                    f"campaign {found.name!r} may cost {spell(found.max_cost or 0, found)}, more than {most}"
                )
            control.start(rt, found.id)
        case CampaignState.PAUSED if found.reason in _RESUMED:
            control.resume(rt, found.id)
        case CampaignState.SCHEDULED | CampaignState.RUNNING | CampaignState.FINISHED:
            words = "it was sent" if found.state is CampaignState.FINISHED else "it was started"
            click.echo(f"campaign {found.name} is {found.state}: {words} before, and nothing is sent twice", err=True)
        case _:
            return _say_why_not(sent)
    return 0


def _approve(rt: Runtime, sent: _Sent, max_cost: int | None, *, is_asked: bool) -> bool:
    """Approve the quote; False: the person who was asked said no. A usage error if nobody can be asked."""
    found, cost = sent.campaign, sent.quoted.spell(sent.cost)
    if max_cost is None and sent.cost:
        again = f"repeat it with --name {found.name} --max-cost {sent.cost}"
        if not is_asked:
            raise click.UsageError(f"campaign {found.name} costs {cost}, nothing was sent: {again}")
        if not click.confirm(f"Send it to {sent.recipients:,} recipients for {cost}?", err=True):
            click.echo(f"nothing was sent; to send it, {again}", err=True)
            return False
    approve(rt, found.id, max_cost=sent.cost if max_cost is None else max_cost)
    return True


def _say_why_not(sent: _Sent) -> int:
    """Say why nothing is sent; return the exit code."""
    found = sent.campaign
    words = f"campaign {found.name} is {found.state}" + (f": {found.reason}" if found.reason else "")
    if found.state is CampaignState.PAUSED:
        words += f"; `postroad campaign resume {found.name}` lets it go on"
    click.echo(words, err=True)
    return 2 if found.state is CampaignState.FAILED and len(sent.broken) == sent.quoted.rows else 1


def _code_of(sent: _Sent, standing: CampaignStanding | None) -> int:
    """Return the exit code of a campaign that is started; say what keeps it from its end, if it was waited for."""
    if standing is None or sent.campaign.state is CampaignState.FINISHED:
        return 0
    if standing.campaign.state is CampaignState.PAUSED:
        return _say_why_not(sent) if sent.campaign.reason not in _RESUMED else _say_what_lacks(sent)
    left = unfinished(standing)
    click.echo(f"{left:,} recipients are not finished; `postroad status` shows what waits", err=True)
    return 1


def _say_what_lacks(sent: _Sent) -> int:
    found = sent.campaign
    click.echo(f"campaign {found.name} is paused: {found.reason}. Repeat this when it is mended", err=True)
    return 1


# Output ---------------------------------------------------------------------------------------------------------


def _report(faults: Sequence[tuple[int, str]]) -> None:
    for line, words in faults[:_REPORTED]:
        click.echo(f"line {line}: {words}", err=True)
    if len(faults) > _REPORTED:
        click.echo(f"… and {len(faults) - _REPORTED:,} more malformed lines; --json lists all", err=True)


def _statuses(rt: Runtime, sent: _Sent, standing: CampaignStanding) -> dict[str, int]:
    """Return the messages by status, and the other recipients who were not accepted as `refused`."""
    total = campaign_counts(rt, sent.campaign.id).total
    counts = {str(status): getattr(total, status, 0) for status in Status}
    refused = standing.progress.skipped - len(sent.broken)
    return {name: count for name, count in [*counts.items(), ("refused", refused)] if count}


def _summary(rt: Runtime, sent: _Sent, standing: CampaignStanding | None) -> dict[str, Any]:
    return {
        "campaign": sent.campaign.id,
        "name": sent.campaign.name,
        "state": sent.campaign.state,
        "lines": sent.quoted.rows,
        "recipients": sent.recipients,
        "cost": sent.cost,
        "currency": sent.campaign.currency,
        "broken": sent.broken,
        **({"statuses": _statuses(rt, sent, standing), "unfinished": unfinished(standing)} if standing else {}),
    }


def _print_result(rt: Runtime, sent: _Sent, standing: CampaignStanding | None) -> None:
    found = sent.campaign
    is_sent = found.started_at is not None
    broken = f"; {len(sent.broken):,} malformed lines were left out" if sent.broken else ""
    if found.state not in (CampaignState.ABORTED, CampaignState.EXPIRED):
        click.echo(f"{sent.recipients if is_sent else 0:,} of {sent.quoted.rows:,} lines sent{broken}.")
    click.echo(f"campaign {found.name} is {found.state}; `postroad campaign watch {found.name}` shows how far it is")
    if standing:
        click.echo("\n" + table(["status", "messages"], sorted(_statuses(rt, sent, standing).items())))
