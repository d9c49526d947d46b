"""Parses a campaign's CSV file line by line into rows.

The first line names the columns. One holds the numbers, `country` the country of national numbers, `correlation_id` the
producer's own id, `time_zone` the recipient's time zone; other columns that the text names are merge fields, ignoring
case. A malformed line becomes a row with a fault; the lines after it are read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.stages.admin.order_preview import Preview
from schema.campaign import GivenRow
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

__all__ = ["BrokenCsvFile", "table_rows"]

CORRELATION, COUNTRY, ZONE = "correlation_id", "country", "time_zone"

_COUNTRY = re.compile("[A-Za-z]{2}")
#: looks like a merge field, but has characters that merge field names exclude
_LOOSE = re.compile(r"\$\{([^{}$]*)\}")
#: columns listed in an error about a missing one
_NAMED = 12


def table_rows(
    chunks: Iterable[bytes], text: str, shared: Mapping[str, str], *, column: str | None = None
) -> Iterator[GivenRow]:
    """Return the file's lines as rows, read as they are needed; BrokenCsvFile without usable header.

    `chunks` are the file's bytes, cut anywhere; `shared`: merge fields of the text that are no columns; `column`: that
    of the numbers.
    """
    return _Table(CsvReader(chunks), Preview(text), shared, column).rows()


# Lines ----------------------------------------------------------------------------------------------------------


class _Table:
    """The file's columns and their meaning."""

    def __init__(self, reader: CsvReader, preview: Preview, shared: Mapping[str, str], column: str | None) -> None:
        """Read the header; BrokenCsvFile says what is wrong with it, or which merge field has no column."""
        wanted = (column,) if column else NUMBER_COLUMNS
        header = reader.read_header(lambda cells: any(fold(each) in map(fold, wanted) for each in cells))
        if header is None:
            raise BrokenCsvFile(
                f"line 1: no column is called {' or '.join(wanted)}; the first line must name the columns, one of them "
                "so, or give the name of the column with the numbers"
            )
        self._reader, self._preview = reader, preview
        self._header = [name.strip() for name in header]
        #: number of columns up to the last one with a name
        self._width = max(place for place, name in enumerate(self._header, 1) if name)
        self._number = next(place for each in wanted if (place := find_column(self._header, each)) is not None)
        self._correlation = find_column(self._header, CORRELATION)
        self._country = find_column(self._header, COUNTRY)
        self._merge = {name: place for name in preview.names if (place := find_column(self._header, name)) is not None}
        # as a merge field it is any text
        self._zone = None if ZONE in map(fold, self._merge) else find_column(self._header, ZONE)
        self.shared = preview.spell(shared)
        self._check_text()

    def _check_text(self) -> None:
        columns = ", ".join(filter(None, self._header[:_NAMED])) + ", …" * (len(self._header) > _NAMED)
        for name in self._preview.names:
            if name not in self._merge and name not in self.shared:
                words = "no column has this name, and no field for all recipients"
                raise BrokenCsvFile(f"the text needs ${{{name}}}: {words}; the columns are {columns}")
        for name in _LOOSE.findall(self._preview.text):
            if name not in self._preview.names and find_column(self._header, name) is not None and name.strip():
                words = "a merge field is letters, digits, _, - and . without blanks: rename the column and the field"
                raise BrokenCsvFile(f"the text has ${{{name}}}: {words}")

    def rows(self) -> Iterator[GivenRow]:
        """Yield each line that is not blank, parsed."""
        for record in self._reader.records(self._is_row):
            if isinstance(record, LineFault):
                yield GivenRow(record.line, None, record.message)
            else:
                yield self._row(record)

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

    def _row(self, record: CsvRecord) -> GivenRow:
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
        recipient: dict[str, Any] = {"to": number, "merge": merge}
        if own:
            recipient["correlation_id"] = own
        if country:
            recipient["country"] = country
        if zone := self._at(cells, self._zone).strip():
            recipient["time_zone"] = zone
        return GivenRow(line, recipient)

    @staticmethod
    def _at(cells: Sequence[str], place: int | None) -> str:
        return "" if place is None else cells[place]
