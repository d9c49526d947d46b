"""Actions on all messages that a search finds: a preview, the job it becomes, how far it is, and its results."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from pipeline.errors import InvalidInput, NotFound
from pipeline.stages.admin.message_jobs import (
    MOST,
    JobStanding,
    create_job,
    find_job,
    job_items,
    list_jobs,
    results_csv,
)
from pipeline.stages.campaigns.results import masked_number
from schema.vocabulary import MessageJobState, MessageOperation, Right
from workers.console import message_search
from workers.console.console_routes import ConsoleRequest, ConsoleRoute
from workers.message_job_selection import JobSelection, select

#: jobs, and messages, on a page
_PAGE = 50
_RIGHTS = {
    MessageOperation.CANCEL: Right.CANCEL_MESSAGES,
    MessageOperation.RESEND: Right.RESEND_MESSAGES,
}


def _list(asked: ConsoleRequest) -> Response:
    jobs = list_jobs(asked.rt, asked.account, _id(asked.query.get("before", "")), _PAGE + 1)
    following = f"/message-jobs?before={jobs[_PAGE - 1].id}" if len(jobs) > _PAGE else ""
    return asked.page("message_jobs.html", jobs=jobs[:_PAGE], next_page=following)


def _preview(asked: ConsoleRequest) -> Response:
    operation = _operation(asked, asked.query.get("operation", ""))
    sought = message_search.of_query(asked)
    selection, problem = None, ""
    try:
        selection = _select(asked, operation, sought, None)
    except (InvalidInput, NotFound) as error:
        problem = str(error)
    fields = message_search.query_of(asked, asked.query)
    return asked.page(
        "message_job_new.html",
        422 if problem else 200,
        operation=operation,
        sought=sought,
        selection=selection,
        problem=problem,
        fields_of_search=fields,
        job=asked.rt.new_ids(),
        most=MOST,
        back="/messages?" + urlencode(fields),
    )


def _create(asked: ConsoleRequest) -> Response:
    operation = _operation(asked, asked.text("operation"))
    sought = message_search.of_fields(asked, {name: asked.text(name) for name in message_search.FIELDS})
    job, cursor = _id(asked.text("job")), _id(asked.text("cursor"))
    if job is None or cursor is None:
        raise InvalidInput("search again, and confirm what is found")
    selection = _select(asked, operation, sought, cursor.hex)
    create_job(
        asked.rt,
        job,
        operation,
        sought.account,
        selection.messages,
        search=sought.shown,
        skipped=selection.left_out,
    )
    return asked.redirect(f"/message-jobs/{job}")


def _operation(asked: ConsoleRequest, word: str) -> MessageOperation:
    if word not in set(MessageOperation):
        raise NotFound("there is no such page")
    operation = MessageOperation(word)
    if not asked.may(_RIGHTS[operation]):
        raise HTTPException(403, f"your roles do not include the right “{_RIGHTS[operation].replace('_', ' ')}”")
    return operation


def _select(
    asked: ConsoleRequest, operation: MessageOperation, sought: message_search.MessageSearchFields, cursor: str | None
) -> JobSelection:
    if not sought.account:
        raise InvalidInput("choose an account: one action takes messages of one account")
    return select(asked.rt, operation, message_search.filter_of(asked, sought), cursor)


def _job(asked: ConsoleRequest) -> JobStanding:
    return find_job(asked.rt, UUID(str(asked.path["id"])), asked.account)


def _show(asked: ConsoleRequest) -> Response:
    standing, after = _job(asked), asked.query.get("after", "0")
    start = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else 0
    items = job_items(asked.rt, standing.job.id, start, _PAGE + 1)
    following = f"/message-jobs/{standing.job.id}?after={items[_PAGE - 1].place}" if len(items) > _PAGE else ""
    return asked.page(
        "message_job.html",
        items=items[:_PAGE],
        masked=masked_number,
        next_page=following,
        may_reveal=asked.may(Right.REVEAL_NUMBERS),
        **_values(standing),
    )


def _show_live(asked: ConsoleRequest) -> Response:
    return asked.page("message_job_live.html", **_values(_job(asked)))


def _values(standing: JobStanding) -> dict[str, Any]:
    return {
        "job": standing.job,
        "counts": standing.counts,
        "is_running": standing.job.state is MessageJobState.RUNNING,
    }


def _results(asked: ConsoleRequest) -> Response:
    standing = _job(asked)
    lines = results_csv(asked.rt, standing, numbers=asked.http.method == "POST")
    headers = {"Content-Disposition": f'attachment; filename="{standing.job.operation}-{standing.job.id}.csv"'}
    return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8")


def _id(words: str) -> UUID | None:
    try:
        return UUID(words)
    except ValueError:
        return None


ROUTES = (
    ConsoleRoute("GET", "/message-jobs", _list, Right.VIEW),
    # each requires its operation's right too
    ConsoleRoute("GET", "/message-jobs/new", _preview, Right.VIEW),
    ConsoleRoute("POST", "/message-jobs", _create, Right.VIEW),
    ConsoleRoute("GET", "/message-jobs/{id:uuid}", _show, Right.VIEW),
    ConsoleRoute("GET", "/message-jobs/{id:uuid}/live", _show_live, Right.VIEW),
    ConsoleRoute("GET", "/message-jobs/{id:uuid}/results.csv", _results, Right.VIEW),
    ConsoleRoute("POST", "/message-jobs/{id:uuid}/results.csv", _results, Right.REVEAL_NUMBERS),
)
