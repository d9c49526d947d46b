"""`postroad campaign start`, `pause`, `resume`, `abort`, `end-repeat`, `limit`, `watch`, `results`."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import click

from pipeline.runtime import Runtime
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.results import CampaignStanding, result_rows, standing
from pipeline.stages.campaigns.series import end_repeat as end_series
from pipeline.stages.campaigns.series import read_series
from schema.campaign import Campaign
from schema.vocabulary import CampaignState, RowOutcome
from workers.campaign_csv import RESULT_COLUMNS, result_values, results_csv
from workers.campaign_wiring import abort as abort_campaign
from workers.cli.terminal.campaign_options import JSON, found_campaign, with_campaign
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import moment

#: seconds between two looks at a campaign
_PAUSE = 1.0
#: weight of the latest look in the rate that is shown
_LATEST = 0.3

_reason = click.option("--reason", help="Why: a line that `campaign status` shows.")


@click.command(short_help="Start it, once approved.")
@with_campaign
def start(name: str, account: str | None) -> None:
    """Start the approved campaign NAME: now, or at its send time.

    Exit codes: 0 started; 1 there is none, it is not approved, or its quote is outdated; 3 the database is unreachable.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        _say(found, control.start(rt, found.id))


@click.command(short_help="Pause it at once.")
@with_campaign
@_reason
def pause(name: str, account: str | None, reason: str | None) -> None:
    """Pause the campaign NAME: nothing more of it is submitted to carriers until it is resumed.

    Its validity runs on. What is being submitted at this moment is not taken back.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        _say(found, control.pause(rt, found.id, reason))


@click.command(short_help="Let it go on where it was.")
@with_campaign
def resume(name: str, account: str | None) -> None:
    """Let the paused campaign NAME go on where it was; if a gate had paused it, later messages count only."""
    with opened() as rt:
        found = found_campaign(rt, name, account)
        _say(found, control.resume(rt, found.id))


@click.command(short_help="End it for good.")
@with_campaign
@_reason
def abort(name: str, account: str | None, reason: str | None) -> None:
    """End the campaign NAME for good: what no carrier has is cancelled, and its money released.

    If it repeats, later ones follow nevertheless: `postroad campaign end-repeat` ends the series.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        ended = abort_campaign(rt, found.id, reason)
        _say(found, CampaignState.ABORTED)
        click.echo(f"{standing(rt, found.id).progress.left_out:,} rows were not sent; {ended:,} batches were ended")
        series = read_series(rt, found)
        if series and series.times:
            click.echo(f"the next is sent on {moment(series.times[0])}; `postroad campaign end-repeat` prevents it")


@click.command("end-repeat")
@with_campaign
@_reason
def end_repeat(name: str, account: str | None, reason: str | None) -> None:
    """End the series of the campaign NAME, which is any campaign of it: no further one is created or started by itself.

    Those that are scheduled or run go on: they are listed, and `postroad campaign abort` ends each.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        left = end_series(rt, found.id, reason)
    click.echo(f"the series of campaign {found.name} has ended")
    for each in left:
        click.echo(f"campaign {each.name} is {each.state}; `postroad campaign abort {each.name}` ends it")


class _Limit(click.ParamType[float]):
    """A positive number, or `off`."""

    name = "number|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, 0 for `off`; a usage error says how to write it."""
        try:
            found = 0.0 if value == "off" else float(value)
        except ValueError:
            found = -1.0
        if not (found > 0 or value == "off"):
            self.fail(f"{value!r} is no limit: write a number, such as 5000, or off")
        return found


@click.command(short_help="Change its speed while it runs.")
@with_campaign
@click.option("--per-hour", type=_Limit(), help="Most recipients per hour.")
@click.option("--segments-per-second", type=_Limit(), help="Most segments per second.")
def limit(name: str, account: str | None, per_hour: float | None, segments_per_second: float | None) -> None:
    """Change the speed of the campaign NAME, which has started; it counts from now."""
    hourly = None if per_hour is None else int(per_hour)
    with opened() as rt:
        found = found_campaign(rt, name, account)
        changed = control.limit(rt, found.id, per_hour=hourly, segments_per_second=segments_per_second)
    hour, second = changed.per_hour, changed.segments_per_second
    click.echo(
        f"campaign {found.name}: {f'{hour:,}' if hour else 'any number of'} recipients per hour, "
        f"{f'{second:g}' if second else 'any number of'} segments per second"
    )


@click.command(short_help="Print what became of each row, as CSV.")
@with_campaign
@click.option("--numbers", is_flag=True, help="Show numbers unmasked.")
@JSON
def results(name: str, account: str | None, numbers: bool, json_: bool) -> None:
    """Print what became of each row of the campaign NAME, as CSV, in order of line; also while it runs.

    Outcomes: pending, sent (it became a message, whose status follows), skipped (for the reason in `verdict`), fenced
    (the campaign was aborted before), expired. With --json a JSON object a line.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        lines = _json_lines(rt, found, numbers) if json_ else results_csv(rt, found.id, numbers=numbers)
        for text in lines:
            click.echo(text, nl=False)


def _json_lines(rt: Runtime, campaign: Campaign, numbers: bool) -> Iterator[str]:
    for row in (row for page in result_rows(rt, campaign.id) for row in page):
        shown = {
            word: value if isinstance(value, int | None) else str(value)
            for word, value in zip(RESULT_COLUMNS, result_values(row, numbers=numbers), strict=True)
        }
        yield json.dumps(shown, ensure_ascii=False) + "\n"


@click.command(short_help="Show its progress until it has ended.")
@with_campaign
@click.option("--json", "json_", is_flag=True, help="Print a JSON object a line.")
def watch(name: str, account: str | None, json_: bool) -> int:
    """Show how far the campaign NAME is, each second in which that changes, until it has ended.

    Exit codes: 0 it is finished; 1 there is none, or it ended otherwise; 130 interrupted: it goes on.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        before = None
        for seen, rate in _looks(rt, found):
            shown = _as_json(seen, rate) if json_ else _line(seen, rate)
            if shown != before:  # while it is paused, nothing changes for hours
                click.echo(shown)
            before = shown
    return 0 if seen.campaign.state is CampaignState.FINISHED else 1


def _looks(rt: Runtime, campaign: Campaign) -> Iterator[tuple[CampaignStanding, float | None]]:
    """Yield the standing of a campaign every second, with the messages handed over per second, until it has ended."""
    rate, before = None, None
    while True:
        seen, at = standing(rt, campaign.id), time.monotonic()
        if before:
            done, since = before
            now = max(seen.handed_over - done, 0) / max(at - since, 0.001)
            rate = now if rate is None else (1 - _LATEST) * rate + _LATEST * now
        yield seen, rate if seen.campaign.state is CampaignState.RUNNING else None
        if seen.has_ended:
            return
        before = seen.handed_over, at
        time.sleep(_PAUSE)


def _remaining(seen: CampaignStanding, rate: float | None) -> float | None:
    """Return the seconds until the rest is handed over at this rate; None: unknown."""
    left = seen.progress.pending + sum(seen.waiting.values())
    return left / rate if rate and seen.campaign.state is CampaignState.RUNNING else None


def _line(seen: CampaignStanding, rate: float | None) -> str:
    state = seen.campaign.state + (f" ({seen.campaign.reason})" if seen.campaign.reason else "")
    rows = ", ".join(f"{count:,} {outcome}" for outcome, count in seen.outcomes.items() if count)
    waiting = ", ".join(f"{count:,} {status}" for status, count in sorted(seen.waiting.items()))
    words = [
        state,
        f"rows: {rows or 0}",
        f"messages: {seen.handed_over:,} handed over" + f", {waiting}" * bool(waiting),
    ]
    if rate is not None:
        words.append(f"{rate:,.0f}/s")
    if remaining := _remaining(seen, rate):
        words.append(f"{timedelta(seconds=round(remaining))} left")
    return " · ".join(words)


def _as_json(seen: CampaignStanding, rate: float | None) -> str:
    counts = {str(outcome): seen.outcomes.get(outcome, 0) for outcome in RowOutcome}
    shown: dict[str, object] = {
        "campaign": str(seen.campaign.id),
        "state": seen.campaign.state,
        "reason": seen.campaign.reason,
        "rows": seen.progress.rows,
        **counts,
        "handed_over": seen.handed_over,
        "waiting": seen.waiting,
        "segments": seen.progress.segments,
        "replies": seen.progress.replies,
        "opt_outs": seen.progress.opt_outs,
        "amount": seen.progress.amount,
        "currency": seen.campaign.currency,
        "per_second": rate and round(rate, 1),
        "seconds_left": (remaining := _remaining(seen, rate)) and round(remaining),
    }
    return json.dumps(shown)


def _say(campaign: Campaign, state: CampaignState) -> None:
    click.echo(f"campaign {campaign.name} is {state}")


COMMANDS = (start, pause, resume, abort, end_repeat, limit, watch, results)
