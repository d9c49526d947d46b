"""Messages: search by what the caller knows, one message's whole story, a request's result, and cancelling."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from pipeline.errors import InvalidInput, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.explain_route import explain
from pipeline.stages.admin.find_messages import e164, find_messages
from pipeline.stages.admin.message_story import MessageStory, note_revealed, story_of
from pipeline.stages.admin.operator_reports import RequestResult, report_of
from pipeline.stages.api.account_messages import MessageFilter, list_page
from pipeline.stages.campaigns.results import masked_number
from pipeline.stages.cancel import cancel
from schema.vocabulary import Right, Status
from workers.cli.terminal.route_view import WHY
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: messages on a page
_PAGE = 50


@dataclass(frozen=True, slots=True)
class _Search:
    """What the form of the search says."""

    words: str
    country: str
    account: str
    status: str
    sender: str
    since: str
    until: str
    is_test: bool

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is sought."""
        return not (self.words or self.account)


@dataclass(frozen=True, slots=True)
class _Page:
    """What a search found, the latest first."""

    rows: list[dict[str, Any]]
    #: of the next page; "": this is the last
    cursor: str
    #: messages of before or after may be missing
    complete_from: datetime | None
    complete_until: datetime | None


def _search(asked: ConsoleRequest) -> Response:
    get = asked.query.get
    sought = _Search(
        words=get("q", "").strip(),
        country=get("country", "").strip().upper(),
        account=asked.account or get("account", "").strip(),
        status=get("status", ""),
        sender=get("sender", "").strip(),
        since=get("since", ""),
        until=get("until", ""),
        is_test="test" in asked.query,
    )
    problem, found = "", None
    if (id_ := _id(sought.words)) is not None:
        return _go_to(asked, id_)
    if not sought.is_empty:
        try:
            found = _found(asked, sought)
        except (InvalidInput, NotFound) as error:
            problem = str(error)
    return asked.page(
        "messages.html",
        422 if problem else 200,
        sought=sought,
        found=found,
        problem=problem,
        statuses=list(Status),
        accounts=[asked.account] if asked.account else list(account_names(asked.rt)),
        next_page=_next_page(asked, found),
    )


def _next_page(asked: ConsoleRequest, found: _Page | None) -> str:
    if found is None or not found.cursor:
        return ""
    return "/messages?" + urlencode({**asked.query, "before": found.cursor})


def _found(asked: ConsoleRequest, sought: _Search) -> _Page:
    number = sought.words if _is_number(sought.words) else None
    correlation_id = sought.words if sought.words and number is None else None
    since, until = asked.moment("since", sought.since), asked.moment("until", sought.until)
    before = _id(asked.query.get("before", ""))
    if not sought.account:
        return _everywhere(asked, sought, number, correlation_id, since, before)
    wanted = MessageFilter(
        account=_account_id(asked, sought.account),
        test=sought.is_test,
        status=Status(sought.status) if sought.status in set(Status) else None,
        sender=sought.sender or None,
        phone=e164(number, sought.country or None) if number else None,
        correlation_id=correlation_id,
        since=since,
        until=until,
    )
    page = list_page(asked.rt, wanted, before.hex if before else None, _PAGE)
    rows = [
        {
            "id": each.id,
            "at": _accepted_at(each.id),
            "account": sought.account,
            "phone": masked_number(each.phone),
            "sender": each.sender,
            "status": each.status,
            "error_code": each.error_code,
            "carrier": each.carrier,
            "correlation_id": each.correlation_id,
        }
        for each in page.messages
    ]
    return _Page(rows, page.cursor or "", page.complete_from, page.complete_until)


def _everywhere(
    asked: ConsoleRequest,
    sought: _Search,
    number: str | None,
    correlation_id: str | None,
    since: datetime | None,
    before: UUID | None,
) -> _Page:
    found = find_messages(
        asked.rt,
        to=number,
        country=sought.country or None,
        correlation_id=correlation_id,
        since=since,
        before=before,
        limit=_PAGE,
    )
    cursor = found.messages[-1]["id"].hex if found.is_more else ""
    return _Page(found.messages, cursor, found.complete_from, found.complete_until)


def _accepted_at(message: UUID) -> datetime:
    """Return the time in a message's id (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((message.int >> 80) / 1000, UTC)


def _account_id(asked: ConsoleRequest, name: str) -> int:
    if (found := account_names(asked.rt).get(name)) is None:
        raise NotFound(f"there is no account {name!r}")
    return found


def _is_number(words: str) -> bool:
    digits = words.lstrip("+").replace(" ", "").replace("-", "")
    return digits.isdecimal() and len(digits) >= 6


def _id(words: str) -> UUID | None:
    try:
        return UUID(words)
    except ValueError:
        return None


def _go_to(asked: ConsoleRequest, id_: UUID) -> Response:
    found = report_of(asked.rt, id_, asked.account)
    if found is None:
        raise NotFound(f"no message and no request has the id {id_}")
    return asked.redirect(f"/{'requests' if isinstance(found, RequestResult) else 'messages'}/{id_}")


def _show(asked: ConsoleRequest) -> Response:
    return _story_page(asked, _story(asked), is_revealed=False)


def _story(asked: ConsoleRequest) -> MessageStory:
    return story_of(asked.rt, _path_id(asked), asked.account)


def _path_id(asked: ConsoleRequest) -> UUID:
    if (id_ := _id(asked.path["id"])) is None:
        raise NotFound(f"{asked.path['id']} is no id")
    return id_


def _reveal(asked: ConsoleRequest) -> Response:
    story = _story(asked)
    note_revealed(asked.rt, story)
    return _story_page(asked, story, is_revealed=True)


def _story_page(asked: ConsoleRequest, story: MessageStory, *, is_revealed: bool) -> Response:
    routing = explain(asked.rt, story.message["id"]) if asked.may(Right.VIEW_OPERATIONS) else None
    return asked.page(
        "message.html", story=story, routing=routing, is_revealed=is_revealed, route_losses=WHY, **_rights(asked)
    )


def _rights(asked: ConsoleRequest) -> dict[str, Any]:
    return {
        "may_reveal": asked.may(Right.REVEAL_NUMBERS),
        "may_cancel": asked.may(Right.CANCEL_MESSAGES),
        "may_view_operations": asked.may(Right.VIEW_OPERATIONS),
    }


def _cancel(asked: ConsoleRequest) -> Response:
    story = _story(asked)
    done = cancel(asked.rt, story.message["account_id"], [story.message["id"]])
    notice = "The message is cancelled; its money is released." if done.cancelled else "It was too late to cancel it."
    return asked.redirect(f"/messages/{story.message['id']}", notice=notice)


def _show_request(asked: ConsoleRequest) -> Response:
    found = report_of(asked.rt, _path_id(asked), asked.account)
    if not isinstance(found, RequestResult):
        raise NotFound(f"no request has the id {asked.path['id']}")
    return asked.page("request.html", request=found.request, messages=found.messages[:_PAGE], total=len(found.messages))


ROUTES = (
    ConsoleRoute("GET", "/messages", _search, Right.VIEW),
    ConsoleRoute("GET", "/messages/{id}", _show, Right.VIEW),
    ConsoleRoute("POST", "/messages/{id}/reveal", _reveal, Right.REVEAL_NUMBERS),
    ConsoleRoute("POST", "/messages/{id}/cancel", _cancel, Right.CANCEL_MESSAGES),
    ConsoleRoute("GET", "/requests/{id}", _show_request, Right.VIEW),
)
