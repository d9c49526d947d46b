"""Reading a campaign's CSV file into orders: line by line, a thousand recipients an order.

The first line names the columns. One holds the numbers, `correlation_id` may hold the producer's own words, and every
other column is a merge field. A broken line is a `Fault`; the lines after it are read.
"""

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pipeline.errors import ConfigurationError
from schema.order import Order, read

#: recipients one order takes
PORTION = 1000
#: names of the column of numbers, in the order they are looked for
NUMBER_COLUMNS = ("to", "phone", "number", "msisdn")
CORRELATION = "correlation_id"

_DELIMITERS = ",;\t"
#: what Python makes of bytes that are no UTF-8
_NOT_UTF8 = range(0xDC80, 0xDD00)


class BrokenFile(ConfigurationError):
    """The file cannot be read at all; the message says what its first lines should look like."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that was left out. Holds no number and no text."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient, as an order spells it."""

    line: int
    recipient: Mapping[str, Any]


@dataclass(slots=True)
class Portion:
    """Some lines of the file: the order they make, and what was left out."""

    #: from 1
    number: int
    order: Order | None
    faults: list[Fault] = field(default_factory=list)
    #: lines read, those left out among them
    lines: int = 0


def portions(
    lines: Iterable[bytes], order: Mapping[str, Any], *, name: str | None = None, column: str | None = None
) -> Iterator[Portion]:
    """Yield the file's lines as orders of up to a thousand recipients; BrokenFile when it has no usable header.

    `order` is what all have in common. With a `name` each order has the idempotency key `name/portion`, and a portion
    is always the same thousand lines, broken ones or not: the file can be sent again and nobody gets it twice.
    """
    rows = _rows(_texts(lines), column)
    for number in itertools.count(1):
        portion = list(itertools.islice(rows, PORTION))
        if not portion:
            return
        faults = [each for each in portion if isinstance(each, Fault)]
        good = [each for each in portion if isinstance(each, Row)]
        key = {"idempotency_key": f"{name}/{number}"} if name else {}
        made, unfit = _order({**order, **key}, good)
        yield Portion(number, made, sorted(faults + unfit, key=lambda fault: fault.line), len(portion))


def request_id(portion: Portion, name: str | None) -> UUID | None:
    """Return the request id of a named campaign's portion, the same whenever it is sent again unchanged."""
    if name is None or portion.order is None:
        return None
    content = sha256(portion.order.model_dump_json(exclude={"submitted_at", "send_at", "valid_until"}).encode())
    return uuid5(NAMESPACE_URL, f"postroad:{portion.order.account}/{name}/{portion.number}/{content.hexdigest()}")


# Lines ----------------------------------------------------------------------------------------------------------


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == 0:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in line:
                raise BrokenFile("line 1: the file is UTF-16, not UTF-8; save it as `CSV UTF-8`")
            line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
        yield line.decode("utf-8", "surrogateescape")


def _rows(texts: Iterator[str], column: str | None) -> Iterator[Row | Fault]:
    first = next(texts, None)
    if first is None:
        raise BrokenFile("the file is empty; its first line must name the columns: to,name,…")
    delimiter, header, place = _header(first, column)
    reader = csv.reader(texts, delimiter=delimiter)
    while True:
        line = reader.line_num + 2
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Fault(line, "a cell is far too long: is there a quotation mark without its partner?")
            continue
        if cells:
            yield _row(line, reader.line_num + 1, cells, header, place)


def _header(text: str, column: str | None) -> tuple[str, list[str], int]:
    """Return the delimiter, the columns' names, and the place of the number's; BrokenFile says what is wrong."""
    if _is_not_utf8(text):
        raise BrokenFile("line 1: not UTF-8; save the file as `CSV UTF-8`")
    wanted = (column,) if column else NUMBER_COLUMNS
    for delimiter in _DELIMITERS:
        header = [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])]
        lowered = header if column else [name.lower() for name in header]
        place = next((lowered.index(name) for name in wanted if name in lowered), None)
        if place is not None:
            break
    else:
        raise BrokenFile(
            f"line 1: no column is called {' or '.join(wanted)}; the first line must name the columns, and "
            "--number-column says which one holds the numbers"
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise BrokenFile(f"line 1: two columns are called {twice[0]!r}")
    if not all(header):
        raise BrokenFile(f"line 1: column {header.index('') + 1} has no name")
    return delimiter, header, place


def _row(line: int, last: int, cells: Sequence[str], header: Sequence[str], place: int) -> Row | Fault:
    if len(cells) != len(header):
        torn = f" (it runs on to line {last}: a quotation mark without its partner?)" if last > line else ""
        return Fault(line, f"{len(cells)} cell{'s' * (len(cells) != 1)} where the header has {len(header)}{torn}")
    if any(map(_is_not_utf8, cells)):
        return Fault(line, "not UTF-8")
    number = cells[place].strip()
    if not number:
        return Fault(line, f"no number in column {header[place]!r}")
    merge = dict(zip(header, cells, strict=True))
    del merge[header[place]]
    own = merge.pop(CORRELATION, "").strip()
    return Row(line, {"to": number, "merge": merge, **({"correlation_id": own} if own else {})})


def _is_not_utf8(text: str) -> bool:
    return not text.isascii() and any(ord(sign) in _NOT_UTF8 for sign in text)


# Orders ---------------------------------------------------------------------------------------------------------


def _order(common: Mapping[str, Any], rows: Sequence[Row]) -> tuple[Order | None, list[Fault]]:
    """Return the order of the rows that fit, and a fault for each that does not; BrokenFile when none of them could."""
    if not rows:
        return None, []
    found = read({**common, "recipients": [row.recipient for row in rows]})
    if isinstance(found, Order):
        return found, []
    unfit = {refusal.index: refusal for refusal in found}
    if None in unfit:
        refusal = unfit[None]
        raise BrokenFile(f"{refusal.field}: {refusal.message}" if refusal.field else refusal.message)
    faults = [
        Fault(rows[index].line, f"{(refusal.field or '').partition('].')[2]}: {refusal.message}")
        for index, refusal in unfit.items()
        if index is not None
    ]
    made, more = _order(common, [row for index, row in enumerate(rows) if index not in unfit])
    return made, faults + more
