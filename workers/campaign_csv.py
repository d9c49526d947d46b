"""The CSV files of a campaign: what became of each row, and the rows that are not sent."""

from collections.abc import Iterator
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.campaigns.results import ResultRow, csv_lines, masked_number, result_rows
from pipeline.stages.campaigns.unsent_rows import COLUMNS, unsent_rows

#: columns of the results file
RESULT_COLUMNS = tuple(ResultRow.__annotations__)


def results_csv(rt: Runtime, campaign: UUID, *, numbers: bool) -> Iterator[str]:
    """Yield the results of a campaign, many lines at once; numbers are masked unless `numbers`."""
    rows = (result_values(row, numbers=numbers) for page in result_rows(rt, campaign) for row in page)
    return csv_lines(RESULT_COLUMNS, rows)


def result_values(row: ResultRow, *, numbers: bool) -> list[object]:
    """Return the columns of a result, its number masked unless `numbers`."""
    number = row.number if numbers else masked_number(row.number)
    return [number if word == "number" else getattr(row, word) for word in RESULT_COLUMNS]


def errors_csv(rt: Runtime, campaign: UUID, *, numbers: bool) -> Iterator[str]:
    """Yield the rows of a campaign that are not sent, many lines at once; numbers are masked unless `numbers`."""
    rows = unsent_rows(rt, campaign)
    shown = rows if numbers else (row | {"phone": masked_number(row["phone"])} for row in rows)
    return csv_lines(COLUMNS, ([row[word] for word in COLUMNS] for row in shown))
