"""Parses a file of JSON lines (NDJSON), one recipient a line: `{"to": …, "country"?, "correlation_id"?, "merge"?}`.

Lines end with LF or CRLF; blank ones are ignored. A line that is not JSON becomes a row with a fault, and reading goes
on with the line after it; a file whose first line is not JSON raises `BrokenJsonFile`.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain

from pipeline.errors import ConfigurationError
from schema.campaign import GivenRow

#: longest line in bytes
_LONGEST = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BrokenJsonFile(ConfigurationError):
    """The file is not one of JSON lines; the message names the line."""


def json_rows(chunks: Iterable[bytes]) -> Iterator[GivenRow]:
    """Return the file's lines as rows, read as they are needed; BrokenJsonFile if the first one is not JSON.

    `chunks` are the file's bytes, cut anywhere. The recipients are not validated.
    """
    rows = (_row(number, line) for number, line in enumerate(_lines(chunks), 1) if line.strip())
    first = next(rows, None)
    if first is None:
        raise BrokenJsonFile('the file is empty; each line is a recipient: {"to": "+2348031234567"}')
    if first.fault is not None:
        raise BrokenJsonFile(f"line {first.line}: {first.fault}; is this a file of JSON lines?")
    return chain([first], rows)


def _row(number: int, line: bytes) -> GivenRow:
    try:
        return GivenRow(number, json.loads(line.decode()))
    except json.JSONDecodeError as error:
        return GivenRow(number, None, f"not JSON: {error.msg} at character {error.colno}")
    except UnicodeDecodeError:
        return GivenRow(number, None, "not UTF-8")
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        return GivenRow(number, None, "not JSON that a recipient could be")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pending, count, is_first = b"", 0, True
    for chunk in chunks:
        pending += chunk
        *whole, pending = pending.split(b"\n")
        for line in whole:
            count += 1
            yield line.removeprefix(_BYTE_ORDER_MARK) if is_first else line
            is_first = False
        if len(pending) > _LONGEST:
            raise BrokenJsonFile(f"line {count + 1}: longer than {_LONGEST:,} bytes: is this a file of JSON lines?")
    if pending:
        yield pending.removeprefix(_BYTE_ORDER_MARK) if is_first else pending
