"""Reads the numbers of a CSV file: in the column to, phone, number or msisdn, else in the first."""

from collections.abc import Iterable

from workers.csv_reader import NUMBER_COLUMNS, CsvReader, LineFault, fold


def read_numbers(chunks: Iterable[bytes]) -> tuple[list[tuple[int, str]], list[LineFault]]:
    """Return (line, number) of each line that can be read, and the errors of the others; BrokenCsvFile.

    `chunks` are the file's bytes, cut anywhere. The numbers are as the file has them.
    """
    reader = CsvReader(chunks)
    header = reader.read_header(lambda cells: any(fold(each) in NUMBER_COLUMNS for each in cells))
    place = next(place for place, each in enumerate(header) if fold(each) in NUMBER_COLUMNS) if header else 0
    found: list[tuple[int, str]] = []
    faults: list[LineFault] = []
    for record in reader.records(lambda cells: bool(cells[place:]) and _looks_like_a_number(cells[place])):
        if isinstance(record, LineFault):
            faults.append(record)
        elif place < len(record.cells) and (number := record.cells[place].strip()):
            found.append((record.line, number))
    return found, faults


def _looks_like_a_number(cell: str) -> bool:
    return sum(map(str.isdigit, cell)) > 6
