"""Loads the rows of a file into a campaign, portion by portion."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.campaigns.load import PORTION, end_load, load
from schema.campaign import GivenRow

#: faults of which the words are kept
MOST_FAULTS = 20


@dataclass(slots=True)
class LoadedFile:
    """What became of the rows of a file."""

    #: rows of the file, and those of them that were stored now
    rows: int = 0
    new: int = 0
    #: rows that cannot be sent: malformed, or their number is invalid
    faulty: int = 0
    #: (line, what is wrong) of the first ones
    faults: list[tuple[int, str]] = field(default_factory=list)


def load_file(
    rt: Runtime, campaign: UUID, rows: Iterator[GivenRow], *, seen: Callable[[int], object] = lambda _: None
) -> LoadedFile:
    """Store a file's rows, each portion in its own transaction; return what became of them. Errors as of `load`.

    Run again with the same file, it goes on after what is stored. `seen` gets the number of rows of each portion.
    """
    done = LoadedFile()
    while portion := list(islice(rows, PORTION)):
        result = load(rt, campaign, portion)
        done.rows += len(portion)
        done.new += result.new
        done.faulty += len(result.faults)
        done.faults += result.faults[: MOST_FAULTS - len(done.faults)]
        seen(len(portion))
    end_load(rt, campaign, done.rows)
    return done
