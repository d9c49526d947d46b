"""The audit log: who changed what, filtered, page by page, and as CSV."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from pipeline.errors import NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.audit_log import changes_csv, list_changes
from schema.vocabulary import Right
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: entries on a page
_PAGE = 50
#: how far back entries are read unless asked otherwise
_PERIOD = timedelta(days=30)
_FILTERS = ("account", "table", "actor")


def _list(asked: ConsoleRequest) -> Response:
    sought = _sought(asked)
    before = asked.query.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) <= 18):
        raise NotFound("there is no such page")
    rows = list_changes(asked.rt, _since(asked), _PAGE + 1, before=int(before) if before else None, **sought)
    shown = rows[:_PAGE]
    query = {name: value for name, value in asked.query.items() if name not in ("before", "notice")}
    return asked.page(
        "audit_log.html",
        rows=shown,
        sought={name: value or "" for name, value in sought.items()},
        since=asked.query.get("since", ""),
        period=_PERIOD,
        accounts=[] if asked.account else list(account_names(asked.rt)),
        next_page="/audit-log?" + urlencode(query | {"before": shown[-1]["id"]}) if len(rows) > _PAGE else "",
        export="/audit-log/export?" + urlencode(query),
    )


def _export(asked: ConsoleRequest) -> Response:
    sought, since = _sought(asked), _since(asked)
    if sought["account"] and sought["account"] not in account_names(asked.rt):
        raise NotFound(f"there is no account {sought['account']!r}")
    headers = {"Content-Disposition": 'attachment; filename="audit-log.csv"'}
    lines = changes_csv(asked.rt, since, **sought)
    return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8")


def _sought(asked: ConsoleRequest) -> dict[str, str | None]:
    """Return the filters; a user of an account sees its entries alone."""
    given = {name: asked.query.get(name, "").strip() or None for name in _FILTERS}
    return given | ({"account": asked.account} if asked.account else {})


def _since(asked: ConsoleRequest) -> datetime:
    return asked.moment("since", asked.query.get("since", "")) or asked.rt.now() - _PERIOD


ROUTES = (
    ConsoleRoute("GET", "/audit-log", _list, Right.VIEW_AUDIT_LOG),
    ConsoleRoute("GET", "/audit-log/export", _export, Right.VIEW_AUDIT_LOG),
)
