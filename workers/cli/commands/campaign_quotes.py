"""`postroad campaign check`, `quote`, `preview`, `approve`: what a campaign would send and cost."""

import click

from pipeline.runtime import Runtime
from pipeline.stages.campaigns.approve import approve as approve_campaign
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.find import progress as progress_of
from pipeline.stages.campaigns.preview import RowPreview
from pipeline.stages.campaigns.read_quote import read_quote, spell
from pipeline.stages.campaigns.results import masked_number
from pipeline.stages.campaigns.series import read_series
from schema.campaign import Campaign
from schema.vocabulary import CampaignState
from workers.campaign_checking import check_all
from workers.campaign_preview import order_to_oneself
from workers.campaign_preview import preview as preview_row
from workers.cli.terminal.campaign_options import JSON, found_campaign, with_campaign
from workers.cli.terminal.campaign_quote import quote_lines, quote_summary
from workers.cli.terminal.opened import opened
from workers.cli.terminal.producer_key import key_for
from workers.cli.terminal.series_lines import series_lines
from workers.cli.terminal.table_layout import as_json, pairs, progress
from workers.producer import producer, submit
from workers.server_urls import broker_url, with_local_servers


@click.command(short_help="Check and price its rows.")
@with_campaign
@JSON
def check(name: str, account: str | None, json_: bool) -> int:
    """Check and price the rows of the campaign NAME as they would be sent now; nothing is sent or charged.

    Numbers, opt-outs, quiet hours, sender, routes and prices are looked at row by row. A check that was interrupted
    goes on where it ended; of a campaign that was quoted or approved before, all rows are checked again.

    Exit codes: 0 all rows would be sent; 1 some would not, the money does not suffice, or the check failed; 3 the
    database is unreachable.
    """
    with opened() as rt:
        return check_and_show(rt, found_campaign(rt, name, account), json_=json_)


@click.command(short_help="Print its quote.")
@with_campaign
@JSON
def quote(name: str, account: str | None, json_: bool) -> int:
    """Print the quote of the campaign NAME: recipients, segments, cost, time, and what is not sent.

    Exit codes: 0 all rows would be sent; 1 some would not, the money does not suffice, or it was not checked.
    """
    with opened() as rt:
        return _show(rt, found_campaign(rt, name, account), json_=json_)


@click.command(short_help="Print what one recipient would read.")
@with_campaign
@click.argument("line", type=click.IntRange(1))
@click.option("--send-to", "number", help="Send this text to a number of your own: an ordinary message, charged.")
@JSON
def preview(name: str, account: str | None, line: int, number: str | None, json_: bool) -> int:
    """Print what the recipient in LINE of the campaign NAME would read, and what it costs.

    LINE is the line of the file, as a spreadsheet shows it. Exit codes: 0 it would be sent (with --send-to: it was
    submitted); 1 it would not, or there is no such line.
    """
    settings = with_local_servers()
    with opened(settings) as rt:
        found = found_campaign(rt, name, account)
        if number is None:
            shown = preview_row(rt, found.id, line)
            click.echo(as_json(shown) if json_ else _preview_lines(shown, found))
            return 1 if shown.refusal else 0
        order = order_to_oneself(rt, found.id, line, number)
        key = key_for(settings, order.account)
    request = submit(order, app=producer(broker_url(settings)), key=key)
    click.echo(as_json({"request": request}) if json_ else f"request {request}\npostroad show {request}")
    return 0


@click.command(short_help="Approve its quote.")
@with_campaign
@click.option("--max-cost", type=click.IntRange(0), help="Refuse a quote above this amount, in minor units.")
@JSON
def approve(name: str, account: str | None, max_cost: int | None, json_: bool) -> int:
    """Approve the quote of the campaign NAME: it may be started, and costs no more than that.

    A quote that is too old, or whose text, recipients, schedule, limits or prices have changed, is refused: check the
    campaign again. Where the account requires it (`postroad account four-eyes`), another person than its creator must
    approve. Exits with 1 if it is not approved.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        approved = approve_campaign(rt, found.id, max_cost=max_cost)
    if json_:
        words = ("id", "name", "state", "max_cost", "currency", "approved_by", "approved_at")
        click.echo(as_json({word: getattr(approved, word) for word in words}))
    else:
        most = spell(approved.max_cost or 0, approved)
        click.echo(f"campaign {approved.name} is approved, for at most {most}")
    return 0


def check_and_show(rt: Runtime, campaign: Campaign, *, json_: bool) -> int:
    """Check a campaign with a progress bar, and print its quote; return the exit code."""
    check_rows(rt, campaign)
    return _show(rt, campaign, json_=json_)


def check_rows(rt: Runtime, campaign: Campaign) -> None:
    """Check a campaign with a progress bar."""
    if campaign.state is not CampaignState.CHECKING:
        start_check(rt, campaign.id)
    rows = progress_of(rt, campaign.id).rows
    with progress(rows, "checking") as bar:
        check_all(rt, campaign.id, lambda: bar.update(progress_of(rt, campaign.id).checked_line - bar.pos))


def _show(rt: Runtime, campaign: Campaign, *, json_: bool) -> int:
    quoted = read_quote(rt, campaign.id)
    click.echo(as_json(quote_summary(quoted)) if json_ else quote_lines(quoted))
    if not json_ and (series := read_series(rt, quoted.campaign)):
        click.echo("\n" + series_lines(series))
    return 0 if quoted.is_whole else 1


def _preview_lines(shown: RowPreview, campaign: Campaign) -> str:
    quota = f" and {shown.quota} segments of the month's quota" if shown.quota else ""
    return pairs(
        {
            "line": shown.line,
            "to": masked_number(shown.phone) + (f" ({shown.country})" if shown.country else ""),
            "not sent": f"{shown.refusal}: {shown.fault}" if shown.refusal else None,
            "from": campaign.sender,
            "text": shown.text,
            "encoding": f"{shown.encoding}, {shown.segments} segment" + "s" * (shown.segments != 1)
            if shown.encoding
            else None,
            "carrier": shown.carrier,
            "cost": spell(shown.amount, campaign) + quota if shown.text is not None else None,
            "put off to": shown.due_at,
        }
    )
