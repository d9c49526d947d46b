"""Message jobs: create one of the messages that a search found, list them, and read how far one is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pipeline.errors import InvalidInput, NotFound, require
from pipeline.rules.identity import ids
from pipeline.rules.message_jobs import left_out
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.rules.text.csv_lines import csv_lines
from pipeline.runtime import Runtime, acting
from pipeline.store import accounts, audit_log, message_jobs
from schema.actor import actor_name
from schema.message_job import MessageJob, MessageJobItem
from schema.vocabulary import MessageJobResult, MessageOperation

__all__ = ["COLUMNS", "MOST", "create_job", "find_job", "job_items", "left_out", "list_jobs", "results_csv"]

#: messages of one job
MOST = 10_000
#: messages that are read at once
_PAGE = 1000
#: how long a preview may be confirmed
_CONFIRMABLE = timedelta(days=1)
#: columns of the file of results
COLUMNS = ("message", "number", "result", "status")


@dataclass(frozen=True, slots=True)
class JobStanding:
    """A job, and what became of those of its messages whose turn has come."""

    job: MessageJob
    counts: dict[MessageJobResult, int]


def create_job(
    rt: Runtime,
    id_: UUID,
    operation: MessageOperation,
    account: str,
    messages: Sequence[UUID],
    *,
    search: Mapping[str, str],
    skipped: Mapping[MessageJobResult, int],
) -> None:
    """Create a job of messages of an account, with one entry in the audit log; again under its id it changes nothing.

    InvalidInput: there are none, more than MOST, or the id is not of a preview of the last day.
    """
    now = rt.now()
    if not now - _CONFIRMABLE < ids.moment(id_) <= now + timedelta(minutes=1):
        raise InvalidInput("this preview is too old; search again")
    require(messages, "no message is left to act on")
    require(len(messages) <= MOST, f"one job has at most {MOST:,} messages")
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        job = message_jobs.NewMessageJob(
            id=id_,
            account=owner,
            operation=operation,
            search=search,
            left_out=skipped,
            messages=messages,
            created_by=actor_name(acting.get()),
        )
        if message_jobs.create(conn, job, now):
            noted = {"operation": str(operation), "messages": len(messages), "search": dict(search)}
            audit_log.note(conn, "message_jobs", str(id_), str(operation), noted, owner)


def list_jobs(rt: Runtime, account: str | None, before: UUID | None, limit: int) -> list[MessageJob]:
    """Return up to `limit` jobs of an account (None: of any) before that id, the latest first."""
    with rt.read_only() as conn:
        return message_jobs.listing(conn, account, before, limit)


def find_job(rt: Runtime, id_: UUID, account: str | None) -> JobStanding:
    """Return a job of an account (None: of any); NotFound."""
    with rt.read_only() as conn:
        job = message_jobs.one(conn, id_, account)
        if job is None:
            raise NotFound(f"no message job has the id {id_}")
        return JobStanding(job, message_jobs.counts(conn, id_))


def job_items(rt: Runtime, id_: UUID, after: int, limit: int) -> list[MessageJobItem]:
    """Return up to `limit` messages of a job after a place, in order."""
    with rt.read_only() as conn:
        return message_jobs.items(conn, id_, after, limit)


def results_csv(rt: Runtime, standing: JobStanding, *, numbers: bool) -> Iterator[str]:
    """Yield a job's results as CSV, many lines at once; numbers are masked unless `numbers`, which is audited."""
    if numbers:
        with rt.begin() as conn:
            owner = accounts.named(conn, standing.job.account).id
            audit_log.note(conn, "message_jobs", str(standing.job.id), "download", {"file": "results.csv"}, owner)
    return csv_lines(COLUMNS, _values(rt, standing.job.id, numbers=numbers))


def _values(rt: Runtime, id_: UUID, *, numbers: bool) -> Iterator[list[object]]:
    after = 0
    while page := job_items(rt, id_, after, _PAGE):
        for each in page:
            phone = each.phone if numbers or each.phone is None else masked_number(each.phone)
            yield [each.message, phone, each.result, each.status]
        after = page[-1].place
