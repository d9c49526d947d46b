"""Loads recipients from a file that was uploaded: streamed from where the form was stored, portion by portion."""

from collections.abc import Iterator, Mapping
from threading import BoundedSemaphore

from starlette.datastructures import UploadFile

from pipeline.errors import ConfigurationError, Conflict, InvalidInput
from pipeline.runtime import Runtime
from pipeline.stages.campaigns.respell import RespelledRows
from schema.campaign import Campaign, GivenRow
from workers.campaign_file import table_rows
from workers.campaign_loading import load_file
from workers.json_lines import json_rows

#: most bytes of a form with a file: a million short lines
UPLOAD = 64 << 20
#: bytes of a file read at once
_BLOCK = 1 << 16
#: files that are loaded at the same time: one of a million lines takes most of a minute of a core
LOADS = BoundedSemaphore(2)


def blocks(file: UploadFile) -> Iterator[bytes]:
    """Return the blocks of an uploaded file."""
    return iter(lambda: file.file.read(_BLOCK), b"")


def uploaded_rows(file: UploadFile, text: str, shared: Mapping[str, str], column: str) -> Iterator[GivenRow]:
    """Return a file's lines as rows, read as they are needed; InvalidInput if its first line does not fit the text.

    Files whose names end in .ndjson or .jsonl are JSON lines, others CSV. `column`: that of the numbers; "": the usual.
    """
    try:
        if (file.filename or "").lower().endswith((".ndjson", ".jsonl")):
            return json_rows(blocks(file))
        return table_rows(blocks(file), text, shared, column=column or None)
    except ConfigurationError as error:
        raise InvalidInput(str(error)) from None


def load_rows(rt: Runtime, campaign: Campaign, file: UploadFile, rows: Iterator[GivenRow], *, respell: bool) -> str:
    """Store a file's rows; return what became of them in words. InvalidInput, Conflict: they do not fit it."""
    if not LOADS.acquire(blocking=False):
        raise Conflict("other files are being loaded at this moment: try again in a minute")
    spelt = RespelledRows(rows)
    try:
        done = load_file(rt, campaign.id, iter(spelt) if respell else rows)
    except ConfigurationError as error:  # a line that is too long; those before it are loaded
        raise InvalidInput(str(error)) from None
    finally:
        LOADS.release()
    words = [f"“{file.filename}”: {done.new:,} rows loaded"]
    if done.new < done.rows:
        words.append(f"{done.rows - done.new:,} were loaded before")
    if done.faulty:
        words.append(f"{done.faulty:,} of them cannot be sent")
    if spelt.changed:
        words.append(f"fields of {spelt.changed:,} rows were respelled")
    return ", ".join(words) + "."
