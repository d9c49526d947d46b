"""Formats the quote of a campaign: as text for people, and for JSON."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.stages.campaigns.read_quote import QuotedCampaign
from workers.cli.terminal.table_layout import moment, pairs, table

#: lines of a table
_MOST = 20


def quote_summary(quoted: QuotedCampaign) -> dict[str, Any]:
    """Return a quote as JSON shows it; amounts are in minor units."""
    campaign, quote = quoted.campaign, quoted.quote
    return {
        "campaign": campaign.id,
        "name": campaign.name,
        "state": campaign.state,
        "reason": campaign.reason,
        "quoted_at": campaign.quoted_at,
        "quote_until": campaign.quote_until,
        "rows": quoted.rows,
        "recipients": quote.total.messages,
        "segments": quote.total.segments,
        "currency": campaign.currency,
        "amount": quote.total.amount,
        "quota": quote.total.quota,
        "money": quote.money,
        "lacking": quote.lacking,
        "carrier_cost": quote.carrier_cost,
        "seconds": quote.seconds,
        "encodings": quote.by_encoding,
        "countries": quote.by_country,
        "carriers": quote.by_carrier,
        "deferred": quote.deferred,
        "repeated": quote.repeated,
        "foreign": quote.foreign,
        "saved_by_respelling": quote.saved_by_respelling,
        "refused": quote.refused,
        "earlier": quote.earlier,
    }


def quote_lines(quoted: QuotedCampaign) -> str:
    """Return a quote as paragraphs."""
    return "\n\n".join(filter(None, (_sums(quoted), *_tables(quoted), *_refused(quoted), *_warnings(quoted))))


def _sums(quoted: QuotedCampaign) -> str:
    campaign, quote = quoted.campaign, quoted.quote
    encodings = ", ".join(f"{each.segments:,} {encoding}" for encoding, each in sorted(quote.by_encoding.items()))
    cost = quoted.spell(quote.total.amount) + (
        f" and {quote.total.quota:,} segments of this month's quota" if quote.total.quota else ""
    )
    lacks = f"; {quoted.spell(quote.lacking)} are lacking" if quote.lacking else ""
    seconds = quote.seconds
    return pairs(
        {
            "campaign": f"{campaign.name} ({campaign.id})",
            "state": campaign.state + (f": {campaign.reason}" if campaign.reason else ""),
            "recipients": f"{quote.total.messages:,} of {quoted.rows:,} rows",
            "segments": f"{quote.total.segments:,}" + (f" ({encodings})" if encodings else ""),
            "cost": cost,
            "carriers' cost": _carrier_cost(quoted),
            "funds": f"{quoted.spell(quote.money)}{lacks}",
            "time": f"{_span(seconds)} at the limits of carriers and campaign" if seconds is not None else None,
            "quiet hours": f"{quote.deferred:,} are put off to their end" if quote.deferred else None,
            "repeated": f"{quote.repeated.messages:,} rows have an earlier one's number{_lines(quote.repeated.lines)}"
            if quote.repeated.messages
            else None,
            "valid until": moment(campaign.quote_until) if campaign.quote_until else None,
        }
    )


def _carrier_cost(quoted: QuotedCampaign) -> str | None:
    cost = quoted.quote.carrier_cost
    known = [f"{amount / 1e6:,.2f} {currency}" for currency, amount in sorted(cost.amounts.items())]
    if not known:
        return None
    return ", ".join(known) + (f"; not known for {cost.unknown:,} segments" if cost.unknown else "")


def _tables(quoted: QuotedCampaign) -> Iterator[str]:
    quote = quoted.quote
    countries = sorted(quote.by_country.items(), key=lambda item: -item[1].segments)
    rows = [
        (country or "no country (+800, +88)", each.messages, each.segments, quoted.spell(each.amount))
        for country, each in countries[:_MOST]
    ]
    if rows:
        yield table(["country", "messages", "segments", "cost"], rows) + _more(countries)
    carriers = [(carrier, each.messages, each.segments) for carrier, each in sorted(quote.by_carrier.items())]
    if carriers:
        yield table(["carrier", "messages", "segments"], carriers)
    if quote.foreign:
        yield _foreign(quoted)


def _foreign(quoted: QuotedCampaign) -> str:
    rows = [
        (char if char.isprintable() else "", f"U+{ord(char):04X}", unicodedata.name(char, ""), each.messages, each.line)
        for char, each in sorted(quoted.quote.foreign.items(), key=lambda item: -item[1].messages)
    ]
    saved = quoted.quote.saved_by_respelling
    return (
        "Sent as UCS-2 because of characters outside GSM-7:\n"
        + table(["", "code point", "name", "messages", "first line"], rows)
        + (f"\nSpelt with GSM-7's own quotes, dashes and blanks: {saved:,} segments fewer." if saved else "")
    )


def _refused(quoted: QuotedCampaign) -> Iterator[str]:
    refused = [
        (verdict, each.messages, ", ".join(map(str, each.lines)))
        for verdict, each in sorted(quoted.quote.refused.items())
    ]
    if refused:
        yield table(["not sent", "rows", "first lines"], refused)


def _warnings(quoted: QuotedCampaign) -> Iterator[str]:
    for each in quoted.quote.earlier:
        day = each.at[:10]
        if each.sample:
            yield (
                f"Warning: {each.share:.0%} of a sample of {each.sample:,} numbers got campaign {each.name!r}, "
                f"started on {day}."
            )
        else:
            yield f"Warning: the same recipients were sent campaign {each.name!r}, started on {day}."


def _more(rows: Sequence[object]) -> str:
    return f"\n… and {len(rows) - _MOST:,} more; --json lists all" if len(rows) > _MOST else ""


def _lines(lines: Sequence[int]) -> str:
    return f" (lines {', '.join(map(str, lines))} …)" if lines else ""


def _span(seconds: float) -> str:
    """Return a duration in words: `25 s`, `13 min`, `2 h 5 min`."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
