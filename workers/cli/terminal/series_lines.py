"""Formats a series of campaigns: its rule, its next times, or why there are none."""

from pipeline.stages.campaigns.series import CampaignSeries
from workers.cli.terminal.table_layout import pairs


def series_lines(series: CampaignSeries) -> str:
    """Return a series as lines, its times by the clock of its zone."""
    first = series.first
    times = [f"{each:%Y-%m-%d %H:%M %a}" for each in series.times]
    held = f"not while campaign {series.held_by} is paused" if series.held_by else None
    return pairs(
        {
            "repeats": f"{first.repeat}, in {first.time_zone}",
            "series of": first.name,
            "latest": f"{series.latest.name}, {series.latest.state}",
            "next": "; ".join(filter(None, [", ".join(times) or "none", held, first.repeat_ended])),
        }
    )
