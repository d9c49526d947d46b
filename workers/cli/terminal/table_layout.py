"""Terminal output: aligned tables, pairs, JSON, date-times, a progress bar."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

#: between two columns
_GAP = "  "


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows under their headers, columns aligned; columns of numbers to the right."""
    rows = list(rows)
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    numeric = [all(isinstance(cell, int | float) for cell in column) for column in zip(*rows, strict=True)]
    numeric = numeric or [False] * len(headers)

    def line(words: Sequence[str]) -> str:
        placed = (
            word.rjust(width) if right else word.ljust(width)
            for word, width, right in zip(words, widths, numeric, strict=True)
        )
        return _GAP.join(placed).rstrip()

    return "\n".join([line(headers), line(["─" * width for width in widths]), *map(line, cells)])


def pairs(values: Mapping[str, object]) -> str:
    """Return names and values, a line each; empty values are left out."""
    width = max((len(name) for name in values), default=0)
    return "\n".join(
        f"{name:<{width}}{_GAP}{plain(value)}" for name, value in values.items() if value not in (None, "", [])
    )


def plain(value: object) -> str:
    """Return a value formatted for people."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value)
        case int():
            return f"{value:,}"
        case list() | tuple() | set():
            return ", ".join(map(plain, value)) or "–"
        case _:
            return visible(str(value))


def visible(text: str) -> str:
    """Return an untrusted text with control and bidirectional characters escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def moment(at: datetime) -> str:
    """Return a date-time in UTC with milliseconds."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}Z"


def as_json(value: object) -> str:
    """Return a value as JSON: dataclasses as objects, date-times in ISO 8601, ids as strings."""
    return json.dumps(value, default=_written, indent=2, ensure_ascii=False)


def progress(length: int, label: str) -> Any:
    """Return a progress bar on stderr; hidden when stderr is not a terminal."""
    shown = sys.stderr.isatty()
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not shown, show_pos=True, width=30)


def _written(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)
