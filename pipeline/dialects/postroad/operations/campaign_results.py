"""Operations of Postroad's own API on a campaign's recipients: what became of them, and why some are not sent.

As JSON, or as CSV with the columns of the command line. Both are paged: a response is held in memory as a whole.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from pipeline.dialects.contract import ApiOperation, RequestContext
from pipeline.dialects.postroad import requests, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import READ_CAMPAIGNS, sees_numbers
from pipeline.dialects.postroad.operations.campaign_lookup import find_campaign, refusing
from pipeline.dialects.postroad.requests import RowPage
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.rules.text.csv_lines import csv_lines
from pipeline.runtime import Runtime
from pipeline.stages.campaigns.results import ResultRow, result_page
from pipeline.stages.campaigns.unsent_rows import COLUMNS, unsent_page
from schema.api import ApiResponse

_RESULT_COLUMNS = tuple(ResultRow.__annotations__)


@refusing
async def get_results(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns/{id}/results`: a page of what became of each recipient, in the order of their lines."""
    asked = requests.read_rows(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found = await find_campaign(context)
    return await context.submission.run(
        _results, found.id, asked, found.currency, is_masked=not sees_numbers(context.key)
    )


@refusing
async def get_errors(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns/{id}/errors`: a page of the recipients that are not sent, by line."""
    asked = requests.read_rows(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found = await find_campaign(context)
    return await context.submission.run(_errors, found.id, asked, is_masked=not sees_numbers(context.key))


def _results(rt: Runtime, campaign: UUID, asked: RowPage, currency: str, *, is_masked: bool) -> ApiResponse:
    rows = result_page(rt, campaign, asked.after, asked.limit + 1)
    shown = rows[: asked.limit]
    cursor = str(shown[-1].line) if len(rows) > asked.limit else None
    if asked.is_csv:
        lines = ([_column(row, word, is_masked) for word in _RESULT_COLUMNS] for row in shown)
        return _csv(_RESULT_COLUMNS, lines, asked, cursor)
    return responses.page([_result(each, currency, is_masked) for each in shown], cursor)


def _column(row: ResultRow, word: str, is_masked: bool) -> object:
    return masked_number(row.number) if is_masked and word == "number" else getattr(row, word)


def _errors(rt: Runtime, campaign: UUID, asked: RowPage, *, is_masked: bool) -> ApiResponse:
    rows = unsent_page(rt, campaign, asked.after, asked.limit + 1)
    shown = rows[: asked.limit]
    cursor = str(shown[-1]["line"]) if len(rows) > asked.limit else None
    if is_masked:
        shown = [row | {"phone": masked_number(row["phone"])} for row in shown]
    if asked.is_csv:
        return _csv(COLUMNS, ([row[word] for word in COLUMNS] for row in shown), asked, cursor)
    return responses.page([_error(each) for each in shown], cursor)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]], asked: RowPage, cursor: str | None) -> ApiResponse:
    """Return a page as CSV; the first alone has a header, so that the pages put together are one file.

    The `Link` to the next page (RFC 8288) is relative to the request's own address.
    """
    body = "".join(csv_lines(columns if asked.after == 0 else None, rows)).encode("utf-8", "replace")
    header = "present" if asked.after == 0 else "absent"
    headers = {"Content-Type": f"text/csv; charset=utf-8; header={header}"}
    if cursor is not None:
        headers["Link"] = f'<?format=csv&limit={asked.limit}&cursor={cursor}>; rel="next"'
    return ApiResponse(200, body, headers)


def _error(row: dict[str, Any]) -> dict[str, Any]:
    """Return a recipient that is not sent."""
    return {
        "line": row["line"],
        "correlation_id": row["correlation_id"],
        "to": row["phone"],
        "verdict": row["verdict"],
        "detail": row["fault"],
    }


def _result(row: ResultRow, currency: str, is_masked: bool) -> dict[str, Any]:
    """Return what became of one recipient."""
    return {
        "line": row.line,
        "correlation_id": row.correlation_id,
        "to": masked_number(row.number) if is_masked else row.number,
        "outcome": row.outcome,
        "verdict": row.verdict,
        "detail": row.fault,
        "message_id": row.message and str(row.message),
        "status": row.status,
        "error_code": row.error_code,
        "carrier": row.carrier,
        "segments": row.segments,
        "cost": None if row.cost is None else responses.cost(row.cost, currency),
        "sent_at": responses.instant_or_none(row.sent_at),
        "final_at": responses.instant_or_none(row.final_at),
        "replies": row.replies,
        "opted_out": row.opted_out,
    }


OPERATIONS = (
    ApiOperation("GET", "/v1/campaigns/{id}/results", "results", get_results, READ_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns/{id}/errors", "results", get_errors, READ_CAMPAIGNS),
)
