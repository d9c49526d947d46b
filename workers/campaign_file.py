"""Parses a campaign's CSV file line by line: into rows, or into orders of up to a thousand recipients.

The first line names the columns. One holds the numbers, `country` the country of national numbers, `correlation_id` the
producer's own id; other columns that the text names are merge fields, ignoring case. A line that is malformed, or that
would be refused, becomes a fault; the lines after it are read.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pipeline.stages.admin.order_preview import Preview
from schema.campaign import GivenRow
from schema.order import Order
from schema.order_reader import read
from workers.csv_reader import (
    NUMBER_COLUMNS,
    BrokenCsvFile,
    CsvReader,
    CsvRecord,
    LineFault,
    find_column,
    fold,
    is_not_utf8,
)

__all__ = ["PORTION", "BrokenCsvFile", "FilePortion", "LineFault", "portions", "request_ids", "table_rows"]

#: recipients per order
PORTION = 1000
#: how often a portion that was refused as a whole can be sent again
_TRIES = 20
CORRELATION, COUNTRY = "correlation_id", "country"

_COUNTRY = re.compile("[A-Za-z]{2}")
#: looks like a merge field, but has characters that merge field names exclude
_LOOSE = re.compile(r"\$\{([^{}$]*)\}")
#: columns listed in an error about a missing one
_NAMED = 12


@dataclass(slots=True)
class FilePortion:
    """Up to a thousand lines of the file: their order, and the faults of lines that were left out."""

    #: from 1
    number: int
    order: Order | None
    faults: list[LineFault] = field(default_factory=list)
    #: lines read, including those left out
    lines: int = 0
    #: the line of each of the order's recipients
    recipient_lines: list[int] = field(default_factory=list)


def table_rows(
    chunks: Iterable[bytes], text: str, shared: Mapping[str, str], *, column: str | None = None
) -> Iterator[GivenRow]:
    """Return the file's lines as rows, read as they are needed; BrokenCsvFile without usable header.

    `chunks` are the file's bytes, cut anywhere; `shared`: merge fields of the text that are no columns; `column`: that
    of the numbers.
    """
    return _Table(CsvReader(chunks), Preview(text), shared, column).rows(judged=False)


def portions(
    chunks: Iterable[bytes],
    order: Mapping[str, Any],
    *,
    name: str | None = None,
    column: str | None = None,
    text: str | None = None,
    strict_numbers: bool = False,
    judged: bool = True,
) -> Iterator[FilePortion]:
    """Yield the file's lines as orders of up to a thousand recipients; BrokenCsvFile without usable header.

    `chunks` are the file's bytes, cut anywhere. `order` holds the common fields, `text` its template's text. With a
    `name` each order has the idempotency key `name/portion`, and a portion is always the same thousand lines, malformed
    ones included: the file can be sent again without duplicates. `judged`: report numbers and texts that would be
    refused as faults.
    """
    preview = Preview(text or order.get("body") or "", order.get("country"), strict_numbers=strict_numbers)
    table = _Table(CsvReader(chunks), preview, order.get("merge", {}), column)
    common = {**order, "merge": table.shared}
    rows = table.rows(judged=judged)
    for number in itertools.count(1):
        portion = list(itertools.islice(rows, PORTION))
        if not portion:
            return
        faults = [LineFault(each.line, each.fault) for each in portion if each.fault is not None]
        good = [each for each in portion if each.fault is None]
        key = {"idempotency_key": f"{name}/{number}"} if name else {}
        made, unfit = _order({**common, **key}, good)
        faults = sorted(faults + unfit, key=lambda fault: fault.line)
        left_out = {fault.line for fault in faults}
        kept = [row.line for row in good if row.line not in left_out]
        yield FilePortion(number, made, faults, len(portion), kept)


def request_ids(portion: FilePortion, name: str) -> list[UUID]:
    """Return the request ids of a named campaign's portion, one for each time it can be sent.

    They depend on its content only: sending it again unchanged gives the same ids.
    """
    if portion.order is None:
        return []
    content = sha256(portion.order.model_dump_json(exclude=_UNCOUNTED | _unused(portion.order)).encode())
    word = f"postroad:{portion.order.account}/{name}/{portion.number}/{content.hexdigest()}"
    return [uuid5(NAMESPACE_URL, word + (f"/{tried}" if tried else "")) for tried in range(_TRIES)]


_UNCOUNTED = {"submitted_at", "send_at", "valid_until"}


def _unused(order: Order) -> set[str]:
    # a field of a later version counts only where it is set, so that old ids stay
    return {COUNTRY} if order.country is None else set()


# Lines ----------------------------------------------------------------------------------------------------------


class _Table:
    """The file's columns and their meaning."""

    def __init__(self, reader: CsvReader, preview: Preview, shared: Mapping[str, str], column: str | None) -> None:
        """Read the header; BrokenCsvFile says what is wrong with it, or which merge field has no column."""
        wanted = (column,) if column else NUMBER_COLUMNS
        header = reader.read_header(lambda cells: any(fold(each) in map(fold, wanted) for each in cells))
        if header is None:
            raise BrokenCsvFile(
                f"line 1: no column is called {' or '.join(wanted)}; the first line must name the columns, and "
                "--number-column says which one holds the numbers"
            )
        self._reader, self._preview = reader, preview
        self._header = [name.strip() for name in header]
        #: number of columns up to the last one with a name
        self._width = max(place for place, name in enumerate(self._header, 1) if name)
        self._number = next(place for each in wanted if (place := find_column(self._header, each)) is not None)
        self._correlation = find_column(self._header, CORRELATION)
        self._country = find_column(self._header, COUNTRY)
        self._merge = {name: place for name in preview.names if (place := find_column(self._header, name)) is not None}
        self.shared = preview.spell(shared)
        self._check_text()

    def _check_text(self) -> None:
        columns = ", ".join(filter(None, self._header[:_NAMED])) + ", …" * (len(self._header) > _NAMED)
        for name in self._preview.names:
            if name not in self._merge and name not in self.shared:
                words = "no column has this name, and no --field"
                raise BrokenCsvFile(f"the text needs ${{{name}}}: {words}; the columns are {columns}")
        for name in _LOOSE.findall(self._preview.text):
            if name not in self._preview.names and find_column(self._header, name) is not None and name.strip():
                words = "a merge field is letters, digits, _, - and . without blanks: rename the column and the field"
                raise BrokenCsvFile(f"the text has ${{{name}}}: {words}")

    def rows(self, *, judged: bool) -> Iterator[GivenRow]:
        """Yield each line that is not blank, parsed; `judged`: with a fault where it would be refused."""
        for record in self._reader.records(self._is_row):
            if isinstance(record, LineFault):
                yield GivenRow(record.line, None, record.message)
            else:
                yield self._row(record, judged)

    def _is_row(self, cells: Sequence[str]) -> bool:
        return len(cells) >= self._width and sum(map(str.isdigit, cells[self._number])) > 6

    def _country_of(self, cells: list[str], number: str) -> str | None:
        """Return the country in which the line's number is dialled, "" for none; None: the cell names no country.

        With a number in full a cell that is no country is not looked at, nor one that a text wants as a merge field.
        """
        country = self._at(cells, self._country).strip().upper()
        if _COUNTRY.fullmatch(country) and not ("+" in number and COUNTRY in map(fold, self._merge)):
            return country
        return None if country and "+" not in number else ""

    def _row(self, record: CsvRecord, judged: bool) -> GivenRow:
        line, cells, width = record.line, record.cells, self._width
        given = len(cells) if len(cells) <= width or any(map(str.strip, cells[width:])) else width
        if given != width:
            return GivenRow(line, None, f"{given} cell{'s' * (given != 1)} where the header has {width}")
        number = cells[self._number].strip()
        own = self._at(cells, self._correlation).strip()
        merge = {name: cells[place] for name, place in self._merge.items()}
        if any(map(is_not_utf8, (number, own, *merge.values()))):
            return GivenRow(line, None, "not UTF-8")
        if not number:
            return GivenRow(line, None, f"no number in column {self._header[self._number]!r}")
        country = self._country_of(cells, number)
        if country is None:
            column = self._header[self._country or 0]
            return GivenRow(line, None, f"column {column!r}: write an ISO 3166 code, such as NG")
        if judged and (words := self._preview.fault(number, country or None, {**self.shared, **merge})):
            return GivenRow(line, None, words)
        recipient: dict[str, Any] = {"to": number, "merge": merge}
        if own:
            recipient["correlation_id"] = own
        if country:
            recipient["country"] = country
        return GivenRow(line, recipient)

    @staticmethod
    def _at(cells: Sequence[str], place: int | None) -> str:
        return "" if place is None else cells[place]


# Orders ---------------------------------------------------------------------------------------------------------


def _order(common: Mapping[str, Any], rows: Sequence[GivenRow]) -> tuple[Order | None, list[LineFault]]:
    """Return the order of the valid rows, and a fault for each other row; BrokenCsvFile if none can be valid."""
    if not rows:
        return None, []
    found = read({**common, "recipients": [row.recipient for row in rows]})
    if isinstance(found, Order):
        return found, []
    unfit = {refusal.index: refusal for refusal in found}
    if None in unfit:
        refusal = unfit[None]
        raise BrokenCsvFile(f"{refusal.field}: {refusal.message}" if refusal.field else refusal.message)
    faults = [
        LineFault(rows[index].line, f"{(refusal.field or '').partition('].')[2]}: {refusal.message}")
        for index, refusal in unfit.items()
        if index is not None
    ]
    made, more = _order(common, [row for index, row in enumerate(rows) if index not in unfit])
    return made, faults + more
