"""Formats the result of a campaign check: as text for people, and for JSON."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.stages.campaign_check import CampaignCheck
from workers.campaign_file import LineFault
from workers.cli.terminal.table_layout import pairs, table

#: lines of a table
_MOST = 20


def quote_summary(check: CampaignCheck, lines: int, faults: Sequence[LineFault]) -> dict[str, Any]:
    """Return the result as JSON shows it; amounts are in minor units."""
    quote = check.quote
    return {
        "lines": lines,
        "recipients": quote.total.messages,
        "segments": quote.total.segments,
        "currency": check.currency,
        "amount": quote.total.amount,
        "quota": quote.total.quota,
        "lacking": check.lacking,
        "seconds": check.seconds,
        "encodings": quote.by_encoding,
        "countries": quote.by_country,
        "carriers": quote.by_carrier,
        "deferred": quote.deferred,
        "repeated": quote.repeated,
        "foreign": quote.foreign,
        "saved_by_respelling": quote.saved_by_respelling,
        "refused": quote.refused,
        "broken": faults,
    }


def quote_lines(check: CampaignCheck, lines: int, faults: Sequence[LineFault]) -> str:
    """Return the result as paragraphs."""
    return "\n\n".join(filter(None, (_sums(check, lines), *_tables(check), *_left_out(check, faults))))


def _sums(check: CampaignCheck, lines: int) -> str:
    quote = check.quote
    encodings = ", ".join(f"{each.segments:,} {encoding}" for encoding, each in sorted(quote.by_encoding.items()))
    cost = check.spell(quote.total.amount) + (
        f" and {quote.total.quota:,} segments of this month's quota" if quote.total.quota else ""
    )
    lacks = f"; {check.spell(check.lacking)} are lacking" if check.lacking else ""
    return pairs(
        {
            "recipients": f"{quote.total.messages:,} of {lines:,} lines",
            "segments": f"{quote.total.segments:,}" + (f" ({encodings})" if encodings else ""),
            "cost": cost,
            "funds": f"{check.spell(check.money)}{lacks}",
            "time": f"{_span(check.seconds)} at the carriers' rate limits" if check.seconds is not None else None,
            "quiet hours": f"{quote.deferred:,} are put off to their end" if quote.deferred else None,
            "repeated": f"{quote.repeated.messages:,} numbers are in an earlier line too{_lines(quote.repeated.lines)}"
            if quote.repeated.messages
            else None,
        }
    )


def _tables(check: CampaignCheck) -> Iterator[str]:
    quote = check.quote
    countries = sorted(quote.by_country.items(), key=lambda item: -item[1].segments)
    rows = [
        (country or "no country (+800, +88)", each.messages, each.segments, check.spell(each.amount))
        for country, each in countries[:_MOST]
    ]
    if rows:
        yield table(["country", "messages", "segments", "cost"], rows) + _more(countries)
    carriers = [(carrier, each.messages, each.segments) for carrier, each in sorted(quote.by_carrier.items())]
    if carriers:
        yield table(["carrier", "messages", "segments"], carriers)
    if quote.foreign:
        yield _foreign(check)


def _foreign(check: CampaignCheck) -> str:
    rows = [
        (char if char.isprintable() else "", f"U+{ord(char):04X}", unicodedata.name(char, ""), each.messages, each.line)
        for char, each in sorted(check.quote.foreign.items(), key=lambda item: -item[1].messages)
    ]
    saved = check.quote.saved_by_respelling
    return (
        "Sent as UCS-2 because of characters outside GSM-7:\n"
        + table(["", "code point", "name", "messages", "first line"], rows)
        + (f"\nSpelt with GSM-7's own quotes, dashes and blanks: {saved:,} segments fewer." if saved else "")
    )


def _left_out(check: CampaignCheck, faults: Sequence[LineFault]) -> Iterator[str]:
    refused = [
        (str(code), each.messages, ", ".join(map(str, each.lines)))
        for code, each in sorted(check.quote.refused.items())
    ]
    if refused:
        yield table(["refused", "recipients", "first lines"], refused)
    if faults:
        listed = "\n".join(f"line {fault.line}: {fault.message}" for fault in faults[:_MOST])
        yield f"{len(faults):,} malformed lines:\n{listed}{_more(faults)}"


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
