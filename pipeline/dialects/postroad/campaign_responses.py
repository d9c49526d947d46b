"""Success responses of Postroad's own API about campaigns: their definition and state, quotes, previews, exclusions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipeline.dialects.postroad.responses import Json, cost, instant, instant_or_none
from pipeline.rules.money.quotes import Quote, Tally
from schema.campaign import Campaign, CampaignProgress

#: most faulty lines that one response lists
MOST_FAULTS = 100


def campaign(found: Campaign, progress: Json | None = None) -> Json:
    """Return a campaign, with its progress where it is given."""
    return {
        "id": str(found.id),
        "name": found.name,
        "state": found.state,
        "reason": found.reason,
        "sender": found.sender,
        "class": found.message_class,
        "test": found.test,
        "body": found.body,
        "template": found.template,
        "template_version": found.template_version,
        "merge": dict(found.merge),
        "country": found.country,
        "send_at": instant_or_none(found.send_at),
        "valid_until": instant_or_none(found.valid_until),
        "duplicates": found.duplicates,
        "not_within_hours": found.not_within_hours,
        "per_hour": found.per_hour,
        "segments_per_second": found.segments_per_second,
        "spread_hours": found.spread_hours,
        "local_hours": found.local_hours,
        "canary": found.canary,
        "canary_soak": found.canary_soak,
        "gates": dict(found.gates),
        "reserve": found.reserve,
        **_series(found),
        "quote_until": instant_or_none(found.quote_until),
        "max_cost": None if found.max_cost is None else cost(found.max_cost, found.currency),
        "created_by": found.created_by,
        "approved_by": found.approved_by,
        "created_at": instant(found.created_at),
        "approved_at": instant_or_none(found.approved_at),
        "started_at": instant_or_none(found.started_at),
        "ended_at": instant_or_none(found.ended_at),
        "progress": progress,
    }


def _series(found: Campaign) -> Json:
    return {
        "repeat": found.repeat,
        "time_zone": found.time_zone,
        "series_id": found.series_id and str(found.series_id),
        "occurs_on": found.occurs_on and found.occurs_on.isoformat(),
        "next_at": instant_or_none(found.repeat_next_at),
        "repeat_ended": found.repeat_ended,
        "approved_with": found.approved_with and str(found.approved_with),
    }


def progress(found: CampaignProgress, waiting: Mapping[str, int], reserved: int | None, currency: str) -> Json:
    """Return the progress of a campaign; `waiting`: its messages that no carrier has yet, by what they wait for.

    `reserved`: minor units that it holds and no message of it does; None: it reserves nothing.
    """
    held = None if reserved is None else cost(reserved, currency)
    return counts(found, currency) | {"reserved": held, "waiting": dict(waiting)}


def counts(found: CampaignProgress, currency: str) -> Json:
    """Return the recipients of a campaign by outcome, with the segments and the cost of its messages."""
    return {
        "recipients": found.rows,
        "pending": found.pending,
        "sent": found.sent,
        "skipped": found.skipped,
        "left_out": found.left_out,
        "segments": found.segments,
        "cost": cost(found.amount, currency),
        "replies": found.replies,
        "opt_outs": found.opt_outs,
    }


def loaded(new: int, known: int, faults: Sequence[tuple[int, str]]) -> Json:
    """Return what became of a page of recipients; a faulty one is stored, and never sent."""
    listed = [{"line": line, "detail": words} for line, words in faults[:MOST_FAULTS]]
    return {"new": new, "known": known, "faulty": len(faults), "faults": listed}


def excluded(rows: int, invalid: int) -> Json:
    """Return how many recipients were left out, and how many of the numbers given are none."""
    return {"left_out": rows, "invalid_numbers": invalid}


def quote(found: Campaign, rows: int, quoted: Quote) -> Json:
    """Return the quote of a campaign."""
    return {
        "campaign_id": str(found.id),
        "state": found.state,
        "quoted_at": instant_or_none(found.quoted_at),
        "valid_until": instant_or_none(found.quote_until),
        "recipients": rows,
        **_tally(quoted.total, found.currency),
        "balance": cost(quoted.money, found.currency),
        "lacking": cost(quoted.lacking, found.currency),
        "seconds": quoted.seconds,
        "deferred": quoted.deferred,
        "by_country": _tallies(quoted.by_country, found.currency),
        "by_encoding": _tallies(quoted.by_encoding, found.currency),
        "by_carrier": _tallies(quoted.by_carrier, found.currency),
        "skipped": [{"code": code, **asdict(each)} for code, each in quoted.refused.items()],
        "repeated": asdict(quoted.repeated),
        "non_gsm7_characters": [{"character": each, **asdict(of)} for each, of in quoted.foreign.items()],
        "segments_saved_by_respelling": quoted.saved_by_respelling,
        "same_recipients": [asdict(each) for each in quoted.earlier],
    }


def _tally(sum_: Tally, currency: str) -> Json:
    return {
        "messages": sum_.messages,
        "segments": sum_.segments,
        "cost": cost(sum_.amount, currency),
        "quota_segments": sum_.quota,
    }


def _tallies(found: Mapping[str, Tally], currency: str) -> list[Json]:
    return [{"name": name, **_tally(each, currency)} for name, each in found.items()]


def preview(
    line: int, phone: str, *, text: str | None, details: Mapping[str, Any], price: Json | None, due_at: datetime | None
) -> Json:
    """Return a recipient's message as it would be sent now."""
    return {"line": line, "to": phone, "body": text, **details, "cost": price, "due_at": instant_or_none(due_at)}
