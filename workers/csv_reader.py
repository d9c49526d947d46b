"""A strict CSV parser (RFC 4180), line by line: a misplaced quotation mark is an error, never guessed around.

Lines end with LF, CRLF, CR or LFCR and are counted as an editor counts them; the delimiter is comma, semicolon or tab.
A line that breaks the grammar becomes a `LineFault`, and reading goes on with the line after it; a file that is not CSV
at all raises `BrokenCsvFile`.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from pipeline.errors import ConfigurationError
from schema.value_class import value_class

#: names of the numbers' column, in the order in which they are tried
NUMBER_COLUMNS = ("to", "phone", "number", "msisdn")
DELIMITERS = ",;\t"
#: longest quoted cell in characters: that of a spreadsheet's cell
LONGEST_CELL = 32_767
#: longest line in bytes
LONGEST_LINE = 1 << 20

_BREAK = re.compile(rb"\r\n|\n\r|\r|\n")
_SEP = re.compile(r"sep=([,;\t|])", re.IGNORECASE)
#: Python's surrogate escapes of bytes that are not UTF-8
_NOT_UTF8 = range(0xDC80, 0xDD00)

_SAVE = "save it as `CSV UTF-8`"
#: first bytes of files that are not CSV
_KINDS = (
    (b"PK\x03\x04", f"an Excel workbook or another zip archive, not CSV: {_SAVE}"),
    (b"\xd0\xcf\x11\xe0", f"an Excel workbook, not CSV: {_SAVE}"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"%PDF", "a PDF, not CSV"),
    (b"\xff\xfe", f"UTF-16, not UTF-8; {_SAVE}"),
    (b"\xfe\xff", f"UTF-16, not UTF-8; {_SAVE}"),
)


class BrokenCsvFile(ConfigurationError):
    """The file is not CSV with a usable header; the message says what its first lines should look like."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """Why a line was left out. Contains no phone number and no text."""

    line: int
    message: str


@value_class
class CsvRecord:
    """One record's cells; it may span several lines of the file."""

    #: the first line, from 1
    line: int
    cells: list[str]


def fold(name: str) -> str:
    """Return a column's name stripped and case-folded, for comparison."""
    return name.strip().casefold()


def find_column(header: Sequence[str], name: str) -> int | None:
    """Return the index of the column of that name, exact or else ignoring case; BrokenCsvFile if two match."""
    for spelt in (str.strip, fold):
        found = [place for place, each in enumerate(header) if spelt(each) == spelt(name)]
        if len(found) > 1:
            raise BrokenCsvFile(f"line 1: two columns are called {header[found[0]]!r}")
        if found:
            return found[0]
    return None


def is_not_utf8(text: str) -> bool:
    """Whether a text has bytes that were not UTF-8."""
    return not text.isascii() and any(ord(sign) in _NOT_UTF8 for sign in text)


class CsvReader:
    """Reads the records of a file in order."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Take the file's bytes, cut anywhere; BrokenCsvFile when they are not text."""
        self._lines = _lines(chunks)
        self._back: deque[str] = deque()
        self._line = 0
        self._delimiter = ","
        #: further lines that the last quoted cell spans
        self._taken: list[str] = []

    def read_header(self, is_header: Callable[[list[str]], bool]) -> list[str] | None:
        """Return the cells of the first line, split by the first delimiter that makes them a header; None if none.

        With None the line is read again as a record. BrokenCsvFile: the file is empty, or its first line not CSV.
        """
        first, delimiters = self._first_line()
        line = self._line
        faults: list[str] = []
        for self._delimiter in delimiters or DELIMITERS:
            record = self._record(first)
            if isinstance(record, CsvRecord) and is_header(record.cells):
                return record.cells
            if isinstance(record, LineFault):
                faults.append(record.message)
        if faults:
            raise BrokenCsvFile(f"line {line}: {faults[0]}")
        self._delimiter = delimiters or ","
        self._put_back([first])
        return None

    def _first_line(self) -> tuple[str, str]:
        """Return the first line that is not blank, and the delimiter that a line `sep=;` before it names, or ""."""
        while (first := self._next()) is not None and not first.strip():
            pass
        said = first is not None and _SEP.fullmatch(first)
        if said:
            first = self._next()
        if first is None:
            raise BrokenCsvFile("the file is empty; its first line must name the columns: to,name,…")
        if is_not_utf8(first):
            raise BrokenCsvFile(f"line {self._line}: not UTF-8; {_SAVE}")
        if len(first) > LONGEST_CELL and any(len(cell) > LONGEST_CELL for cell in re.split(f"[{DELIMITERS}]", first)):
            raise BrokenCsvFile(
                f"line {self._line}: a cell of more than {LONGEST_CELL:,} characters: is this a CSV file?"
            )
        return first, said[1] if said else ""

    def records(
        self, is_row: Callable[[Sequence[str]], bool] = lambda _cells: False
    ) -> Iterator[CsvRecord | LineFault]:
        """Yield the other records, without blank ones.

        `is_row` tells whether cells look like a whole record: a quoted cell that would span such a line is a fault.
        """
        while (text := self._next()) is not None:
            if '"' in text:
                yield self._record(text, is_row)
            elif text and any(map(str.strip, cells := text.split(self._delimiter))):
                yield CsvRecord(self._line, cells)

    def _next(self) -> str | None:
        text = self._back.popleft() if self._back else next(self._lines, None)
        if text is not None:
            self._line += 1
        return text

    def _put_back(self, texts: Sequence[str]) -> None:
        self._back.extendleft(reversed(texts))
        self._line -= len(texts)

    def _record(
        self, text: str, is_row: Callable[[Sequence[str]], bool] = lambda _cells: False
    ) -> CsvRecord | LineFault:
        """Parse the record that begins with a line. After an error the further lines it spans are read again."""
        first, cells, at = self._line, list[str](), 0
        while True:
            if text.startswith('"', at):
                opened = self._line
                found = self._quoted(text, at + 1, is_row)
                if isinstance(found, str):
                    return self._broken(opened, f"a cell opens with a quotation mark {found}")
                cell, text, at = found
                if at < len(text) and text[at] != self._delimiter:
                    return self._broken(opened, "text after the closing quotation mark of a cell")
            else:
                end = text.find(self._delimiter, at)
                cell, at = (text[at:], len(text)) if end < 0 else (text[at:end], end)
                if '"' in cell:
                    return LineFault(self._line, "a quotation mark inside an unquoted cell")
            cells.append(cell)
            if at >= len(text):
                return CsvRecord(first, cells)
            at += 1

    def _quoted(self, text: str, at: int, is_row: Callable[[Sequence[str]], bool]) -> tuple[str, str, int] | str:
        """Parse a quoted cell; return it, the line that closes it and the index there, or what is wrong."""
        self._taken, parts, length = [], list[str](), 0
        while (end := _closing(text, at)) < 0:
            parts.append(text[at:])
            length += len(parts[-1]) + 1
            if length > LONGEST_CELL:
                return f"that is not closed within {LONGEST_CELL:,} characters"
            following = self._next()
            if following is None:
                return "that is never closed"
            text, at = following, 0
            self._taken.append(text)
            if is_row(text.split(self._delimiter)):
                return f"and would include line {self._line}, which looks like a record of its own"
        return "\n".join([*parts, text[at:end]]).replace('""', '"'), text, end + 1

    def _broken(self, opened: int, words: str) -> LineFault:
        self._put_back(self._taken)
        return LineFault(opened, words)


def _closing(text: str, at: int) -> int:
    """Return the index of the first quotation mark that is not doubled; -1 if the cell goes on."""
    while (at := text.find('"', at)) >= 0 and text.startswith('""', at):
        at += 2
    return at


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a file without line ends; BrokenCsvFile if it is not text."""
    count, pending, blocks = 0, b"", iter(chunks)
    while len(pending) < 4 and (block := next(blocks, None)) is not None:
        pending += block
    for beginning, words in _KINDS:
        if pending.startswith(beginning):
            raise BrokenCsvFile(f"line 1: the file is {words}")
    rest, pending = chain([pending.removeprefix(b"\xef\xbb\xbf")], blocks), b""
    for block in rest:
        pending += block
        # a line end of two bytes may continue in the next block
        held = pending[-1:] if pending.endswith((b"\r", b"\n")) and not pending.endswith((b"\r\n", b"\n\r")) else b""
        *whole, last = _BREAK.split(pending[: len(pending) - len(held)])
        pending = last + held
        for line in whole:
            yield _decoded(line, count := count + 1)
        if len(pending) > LONGEST_LINE:
            raise BrokenCsvFile(f"line {count + 1}: longer than {LONGEST_LINE:,} bytes: is this a CSV file?")
    *whole, last = _BREAK.split(pending)
    for line in [*whole, last] if last else whole:
        yield _decoded(line, count := count + 1)


def _decoded(line: bytes, number: int) -> str:
    if number == 1 and b"\x00" in line:
        kind = f"UTF-16, not UTF-8; {_SAVE}" if b"\x00" in line[:2] else "not text: it has a NUL byte"
        raise BrokenCsvFile(f"line 1: the file is {kind}")
    return line.decode("utf-8", "surrogateescape")
