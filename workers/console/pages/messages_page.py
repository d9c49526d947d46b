"""Messages: search by what the caller knows, one message's whole story, a request's result, and cancelling."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from pipeline.errors import Conflict, InvalidInput, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.explain_route import explain
from pipeline.stages.admin.find_messages import find_messages
from pipeline.stages.admin.message_jobs import create_job
from pipeline.stages.admin.message_story import MessageStory, note_revealed, story_of
from pipeline.stages.admin.operator_reports import RequestResult, report_of
from pipeline.stages.api.account_messages import list_page
from pipeline.stages.campaigns.results import masked_number
from pipeline.stages.cancel import cancel
from pipeline.stages.resend import obstacles
from schema.vocabulary import MessageOperation, Right, Status
from workers.cli.terminal.route_view import WHY
from workers.console import message_search
from workers.console.console_routes import ConsoleRequest, ConsoleRoute
from workers.console.message_search import MessageSearchFields

#: messages on a page
_PAGE = 50


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
    sought = message_search.of_query(asked)
    if message_search.is_number(sought.words):  # a link of an earlier version, or typed
        return asked.redirect("/messages", **message_search.query_of(asked, asked.query))
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
        job_query=urlencode(message_search.query_of(asked, asked.query)),
        **_rights(asked),
    )


def _seek(asked: ConsoleRequest) -> Response:
    """Lead from the form of the search to its results, at an address without the number."""
    given = {name: asked.text(name) for name in message_search.FIELDS}
    return asked.redirect("/messages", **message_search.query_of(asked, given))


def _next_page(asked: ConsoleRequest, found: _Page | None) -> str:
    if found is None or not found.cursor:
        return ""
    return "/messages?" + urlencode({**asked.query, "before": found.cursor})


def _found(asked: ConsoleRequest, sought: MessageSearchFields) -> _Page:
    before = _id(asked.query.get("before", ""))
    if not sought.account:
        return _everywhere(asked, sought, before)
    wanted = message_search.filter_of(asked, sought)
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


def _everywhere(asked: ConsoleRequest, sought: MessageSearchFields, before: UUID | None) -> _Page:
    found = find_messages(
        asked.rt,
        to=sought.number or None,
        country=sought.country or None,
        correlation_id=sought.words or None,
        since=asked.moment("since", sought.since),
        before=before,
        limit=_PAGE,
    )
    cursor = found.messages[-1]["id"].hex if found.is_more else ""
    return _Page(found.messages, cursor, found.complete_from, found.complete_until)


def _accepted_at(message: UUID) -> datetime:
    """Return the time in a message's id (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((message.int >> 80) / 1000, UTC)


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
    message, resend_obstacle = story.message, None
    if may_be_asked := message["status"] == Status.SENT and not message["test"] and asked.may(Right.RESEND_MESSAGES):
        resend_obstacle = obstacles(asked.rt, [message["id"]]).get(message["id"])
    return asked.page(
        "message.html",
        story=story,
        routing=explain(asked.rt, message["id"]) if asked.may(Right.VIEW_OPERATIONS) else None,
        is_revealed=is_revealed,
        route_losses=WHY,
        is_resendable=may_be_asked and resend_obstacle is None,
        resend_obstacle=resend_obstacle,
        **_rights(asked),
    )


def _rights(asked: ConsoleRequest) -> dict[str, Any]:
    return {
        "may_reveal": asked.may(Right.REVEAL_NUMBERS),
        "may_cancel": asked.may(Right.CANCEL_MESSAGES),
        "may_resend": asked.may(Right.RESEND_MESSAGES),
        "may_view_operations": asked.may(Right.VIEW_OPERATIONS),
    }


def _cancel(asked: ConsoleRequest) -> Response:
    story = _story(asked)
    done = cancel(asked.rt, story.message["account_id"], [story.message["id"]])
    notice = "The message is cancelled; its money is released." if done.cancelled else "It was too late to cancel it."
    return asked.redirect(f"/messages/{story.message['id']}", notice=notice)


def _resend(asked: ConsoleRequest) -> Response:
    """Make a job of the message: the clock's process, which may publish, resends it within seconds."""
    message = _story(asked).message
    if why := obstacles(asked.rt, [message["id"]]).get(message["id"]):
        raise Conflict(f"this message is not resent: {why.replace('_', ' ')}")
    job, search = asked.rt.new_ids(), {"message": str(message["id"])}
    create_job(asked.rt, job, MessageOperation.RESEND, message["account"], [message["id"]], search=search, skipped={})
    return asked.redirect(f"/message-jobs/{job}")


def _show_request(asked: ConsoleRequest) -> Response:
    found = report_of(asked.rt, _path_id(asked), asked.account)
    if not isinstance(found, RequestResult):
        raise NotFound(f"no request has the id {asked.path['id']}")
    return asked.page("request.html", request=found.request, messages=found.messages[:_PAGE], total=len(found.messages))


ROUTES = (
    ConsoleRoute("GET", "/messages", _search, Right.VIEW),
    ConsoleRoute("GET", "/messages/{id}", _show, Right.VIEW),
    ConsoleRoute("POST", "/messages/{id}/reveal", _reveal, Right.REVEAL_NUMBERS),
    ConsoleRoute("POST", "/messages", _seek, Right.VIEW),
    ConsoleRoute("POST", "/messages/{id}/resend", _resend, Right.RESEND_MESSAGES),
    ConsoleRoute("POST", "/messages/{id}/cancel", _cancel, Right.CANCEL_MESSAGES),
    ConsoleRoute("GET", "/requests/{id}", _show_request, Right.VIEW),
)
