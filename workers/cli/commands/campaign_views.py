"""`postroad campaign list`, `status`, `errors`: shows campaigns, one campaign, and its rows that are not sent."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from pipeline.runtime import Runtime
from pipeline.stages.campaigns.counts import campaign_counts
from pipeline.stages.campaigns.list_campaigns import list_campaigns
from pipeline.stages.campaigns.read_quote import spell
from pipeline.stages.campaigns.results import masked_number, standing
from pipeline.stages.campaigns.series import read_series
from pipeline.stages.campaigns.unsent_rows import COLUMNS, unsent_rows
from schema.campaign import Campaign, CampaignProgress
from workers.campaign_csv import errors_csv
from workers.cli.terminal.campaign_counts import counts_lines, minutes_lines
from workers.cli.terminal.campaign_options import JSON, found_campaign, with_campaign
from workers.cli.terminal.opened import opened
from workers.cli.terminal.series_lines import series_lines
from workers.cli.terminal.table_layout import as_json, pairs, table

_SHOWN_COUNTS = ("rows", "skipped", "sent", "left_out", "pending", "segments", "replies", "opt_outs")


@click.command("list", short_help="List campaigns with their state.")
@click.option("--account", envvar="POSTROAD_ACCOUNT", help="Only of this account.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@JSON
def list_(account: str | None, limit: int, json_: bool) -> None:
    """List campaigns with their state, the latest first."""
    with opened() as rt:
        found = list_campaigns(rt, account, limit)
    if json_:
        click.echo(as_json([_as_json(each) for each in found]))
        return
    rows = [(*_listed(each), each.created_at, each.started_at, each.repeat_next_at, each.id) for each in found]
    click.echo(table(["campaign", "account", "state", "reason", "created", "started", "next", "id"], rows))


def _listed(campaign: Campaign) -> tuple[object, ...]:
    return campaign.name, campaign.account, campaign.state, campaign.reason


@click.command(short_help="Show its definition, state and counts.")
@with_campaign
@JSON
def status(name: str, account: str | None, json_: bool) -> None:
    """Show the campaign NAME: its definition, its state, its rows, its messages by country, carrier and minute."""
    with opened() as rt:
        found = found_campaign(rt, name, account)
        seen, messages = standing(rt, found.id), campaign_counts(rt, found.id)
        series = read_series(rt, found)
    counts = seen.progress
    if json_:
        more = {"reserved": seen.reserved, "next_times": [each.isoformat() for each in series.times] if series else []}
        click.echo(as_json({**_as_json(found), **more, "counts": _counts(counts), "messages": messages}))
        return
    click.echo(_definition(found, counts.amount, seen.reserved))
    if series:
        click.echo("\n" + series_lines(series))
    click.echo("\n" + table(["rows", "count"], [(word, getattr(counts, word)) for word in _SHOWN_COUNTS]))
    if messages.countries:
        click.echo("\n" + counts_lines(messages))
    if minutes := minutes_lines(messages):
        click.echo("\n" + minutes)


@click.command(short_help="Print the rows that are not sent, as CSV.")
@with_campaign
@click.option("--numbers", is_flag=True, help="Show numbers unmasked.")
@JSON
def errors(name: str, account: str | None, numbers: bool, json_: bool) -> None:
    """Print the rows of the campaign NAME that are not sent, as CSV: line, verdict, what is wrong, number.

    With --json a JSON object a line.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        lines = _json_lines(rt, found, numbers) if json_ else errors_csv(rt, found.id, numbers=numbers)
        for text in lines:
            click.echo(text, nl=False)


def _json_lines(rt: Runtime, campaign: Campaign, numbers: bool) -> Iterator[str]:
    for row in unsent_rows(rt, campaign.id):
        shown = row if numbers else row | {"phone": masked_number(row["phone"])}
        yield json.dumps({word: shown[word] for word in COLUMNS}, ensure_ascii=False) + "\n"


def _as_json(campaign: Campaign) -> dict[str, Any]:
    shown = asdict(campaign)
    digest = shown.pop("quote_hash")
    return {**shown, "quote_hash": digest.hex() if digest else None}


def _counts(counts: CampaignProgress) -> dict[str, int]:
    words = (
        "rows",
        "skipped",
        "sent",
        "left_out",
        "pending",
        "checked_line",
        "expanded_line",
        "segments",
        "amount",
        "replies",
        "opt_outs",
    )
    return {word: getattr(counts, word) for word in words}


def _definition(campaign: Campaign, amount: int, rest: int | None) -> str:
    return pairs(
        {
            "campaign": f"{campaign.name} ({campaign.id})",
            "account": campaign.account + (", test" if campaign.test else ""),
            "state": campaign.state + (f": {campaign.reason}" if campaign.reason else ""),
            "from": campaign.sender,
            "class": campaign.message_class,
            "text": campaign.body,
            "template": f"{campaign.template}, version {campaign.template_version or '?'}"
            if campaign.template
            else None,
            "fields": [f"{name}={value}" for name, value in campaign.merge.items()],
            "country": campaign.country,
            "not before": campaign.send_at,
            "not after": campaign.valid_until,
            "duplicates": campaign.duplicates,
            "not within": f"{campaign.not_within_hours} h of another message" if campaign.not_within_hours else None,
            "per hour": campaign.per_hour,
            "segments/s": campaign.segments_per_second,
            "spread over": f"{campaign.spread_hours:g} h" if campaign.spread_hours else None,
            "local hours": campaign.local_hours,
            "canary": f"{campaign.canary:,}, then {campaign.canary_soak} s" if campaign.canary else None,
            "gates": [f"{name} {value}" for name, value in campaign.gates.items()],
            "money": "held as a whole when it begins" if campaign.reserve else None,
            "costs at most": spell(campaign.max_cost, campaign) if campaign.max_cost is not None else None,
            "costs so far": spell(amount, campaign) if campaign.started_at else None,
            "still reserved": spell(rest, campaign) if rest is not None else None,
            "created": f"{campaign.created_at:%Y-%m-%d %H:%M:%S}Z by {campaign.created_by}",
            "approved": f"{campaign.approved_at:%Y-%m-%d %H:%M:%S}Z by {campaign.approved_by}"
            if campaign.approved_at
            else None,
            "quote valid until": campaign.quote_until,
            "started": campaign.started_at,
            "ended": campaign.ended_at,
        }
    )
