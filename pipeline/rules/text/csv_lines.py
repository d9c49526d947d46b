"""CSV for spreadsheets: written in portions, with no cell that one takes for a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

#: lines that are written at once
_LINES = 1000


def csv_lines(header: Sequence[str] | None, rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a header (None: none) and rows as CSV, many lines at once."""
    rows = iter(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow(header)
    while True:
        portion = list(islice(rows, _LINES))
        writer.writerows([cell(value) for value in row] for row in portion)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        if not portion:
            return


def cell(value: object) -> str:
    """Return a value as a cell; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    is_formula = text[:1] in "=-@\t\r" and text != ""
    # a number's plus stays
    return f"'{text}" if is_formula or (text[:1] == "+" and not text[1:].replace("*", "").isdigit()) else text
