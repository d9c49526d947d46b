"""Reading a campaign's CSV file into orders: line by line, a thousand recipients an order.

The first line names the columns. One holds the numbers, `country` may say where national ones are dialled,
`correlation_id` may hold the producer's own words; of the others those that the text names are merge fields, whatever
their case. A line that is broken, or that is known to be refused, is a `Fault`; the lines after it are read.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pipeline.stages.admin.preview import Preview
from schema.order import Order
from schema.order_reader import read
from schema.value_class import value_class
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

__all__ = ["PORTION", "BrokenCsvFile", "FilePortion", "FileRow", "LineFault", "portions", "request_ids"]

#: recipients one order takes
PORTION = 1000
#: times a portion can be tried that was refused whole
_TRIES = 20
CORRELATION, COUNTRY = "correlation_id", "country"

_COUNTRY = re.compile("[A-Za-z]{2}")
#: what looks like a merge field, its name spelt as only a spreadsheet would
_LOOSE = re.compile(r"\$\{([^{}$]*)\}")
#: columns that are named where one is missing
_NAMED = 12


@value_class
class FileRow:
    """One recipient, as an order spells it."""

    line: int
    recipient: Mapping[str, Any]


@dataclass(slots=True)
class FilePortion:
    """Some lines of the file: the order they make, and what was left out."""

    #: from 1
    number: int
    order: Order | None
    faults: list[LineFault] = field(default_factory=list)
    #: lines read, those left out among them
    lines: int = 0


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
    """Yield the file's lines as orders of up to a thousand recipients; BrokenFile when it has no usable header.

    `chunks` are the file's bytes, cut anywhere. `order` is what all have in common, `text` what its template says. With
    a `name` each order has the idempotency key `name/portion`, and a portion is always the same thousand lines, broken
    ones or not: the file can be sent again and nobody gets it twice. `judged`: numbers and texts that will be refused
    are faults here already.
    """
    preview = Preview(text or order.get("body") or "", order.get("country"), strict_numbers=strict_numbers)
    table = _Table(CsvReader(chunks), preview, order.get("merge", {}), column)
    common = {**order, "merge": table.shared}
    rows = table.rows(judged=judged)
    for number in itertools.count(1):
        portion = list(itertools.islice(rows, PORTION))
        if not portion:
            return
        faults = [each for each in portion if isinstance(each, LineFault)]
        good = [each for each in portion if isinstance(each, FileRow)]
        key = {"idempotency_key": f"{name}/{number}"} if name else {}
        made, unfit = _order({**common, **key}, good)
        yield FilePortion(number, made, sorted(faults + unfit, key=lambda fault: fault.line), len(portion))


def request_ids(portion: FilePortion, name: str) -> list[UUID]:
    """Return the request ids of a named campaign's portion, one for each time it is tried.

    They are the same whenever it is sent again unchanged, at whatever time.
    """
    if portion.order is None:
        return []
    content = sha256(portion.order.model_dump_json(exclude=_UNCOUNTED | _unused(portion.order)).encode())
    word = f"postroad:{portion.order.account}/{name}/{portion.number}/{content.hexdigest()}"
    return [uuid5(NAMESPACE_URL, word + (f"/{tried}" if tried else "")) for tried in range(_TRIES)]


_UNCOUNTED = {"submitted_at", "send_at", "valid_until"}


def _unused(order: Order) -> set[str]:
    # a field that younger versions added counts where it is used
    return {COUNTRY} if order.country is None else set()


# Lines ----------------------------------------------------------------------------------------------------------


class _Table:
    """The file's columns: which of them say what."""

    def __init__(self, reader: CsvReader, preview: Preview, shared: Mapping[str, str], column: str | None) -> None:
        """Read the header; BrokenFile says what is wrong with it, or which merge field has no column."""
        wanted = (column,) if column else NUMBER_COLUMNS
        header = reader.read_header(lambda cells: any(fold(each) in map(fold, wanted) for each in cells))
        if header is None:
            raise BrokenCsvFile(
                f"line 1: no column is called {' or '.join(wanted)}; the first line must name the columns, and "
                "--number-column says which one holds the numbers"
            )
        self._reader, self._preview = reader, preview
        self._header = [name.strip() for name in header]
        #: columns up to the last that has a name
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
                words = "no column is called so, and no --field"
                raise BrokenCsvFile(f"the text needs ${{{name}}}: {words}; the columns are {columns}")
        for name in _LOOSE.findall(self._preview.text):
            if name not in self._preview.names and find_column(self._header, name) is not None and name.strip():
                words = "a merge field is letters, digits, _, - and . without blanks: name the column and the field so"
                raise BrokenCsvFile(f"the text has ${{{name}}}: {words}")

    def rows(self, *, judged: bool) -> Iterator[FileRow | LineFault]:
        """Yield each line that is not blank."""
        for record in self._reader.records(self._is_row):
            yield record if isinstance(record, LineFault) else self._row(record, judged)

    def _is_row(self, cells: Sequence[str]) -> bool:
        return len(cells) >= self._width and sum(map(str.isdigit, cells[self._number])) > 6

    def _row(self, record: CsvRecord, judged: bool) -> FileRow | LineFault:
        line, cells, width = record.line, record.cells, self._width
        given = len(cells) if len(cells) <= width or any(map(str.strip, cells[width:])) else width
        if given != width:
            return LineFault(line, f"{given} cell{'s' * (given != 1)} where the header has {width}")
        number, country = cells[self._number].strip(), self._at(cells, self._country).strip().upper()
        own = self._at(cells, self._correlation).strip()
        merge = {name: cells[place] for name, place in self._merge.items()}
        if any(map(is_not_utf8, (number, own, *merge.values()))):
            return LineFault(line, "not UTF-8")
        if not number:
            return LineFault(line, f"no number in column {self._header[self._number]!r}")
        if not _COUNTRY.fullmatch(country) or ("+" in number and COUNTRY in map(fold, self._merge)):
            if country and "+" not in number:
                return LineFault(
                    line, f"column {self._header[self._country or 0]!r}: write an ISO 3166 code, such as NG"
                )
            country = ""
        if judged and (words := self._preview.fault(number, country or None, {**self.shared, **merge})):
            return LineFault(line, words)
        said = {"correlation_id": own} if own else {}
        return FileRow(line, {"to": number, "merge": merge, **said, **({"country": country} if country else {})})

    @staticmethod
    def _at(cells: Sequence[str], place: int | None) -> str:
        return "" if place is None else cells[place]


# Orders ---------------------------------------------------------------------------------------------------------


def _order(common: Mapping[str, Any], rows: Sequence[FileRow]) -> tuple[Order | None, list[LineFault]]:
    """Return the order of the rows that fit, and a fault for each that does not; BrokenFile when none of them could."""
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
