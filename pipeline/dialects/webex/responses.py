"""Webex Interact's success responses, with an error for each number that was refused.

Sources: docs.webexinteract.com/reference/send-sms-api, /account-api, /senders-api, /scheduled-messages-api.
"""

from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from pipeline.dialects.contract import reply
from pipeline.dialects.webex import datetimes
from pipeline.dialects.webex.errors import ERRORS, VALIDATION
from pipeline.rules.identity import ksuids
from pipeline.rules.money import currencies
from schema.api import ApiKey, ApiResponse
from schema.api_views import AccountBalance, ShownSchedule, ShownSenderId
from schema.message import Answered
from schema.order import Recipient
from schema.vocabulary import Code, SenderState, Status

#: the code of an accepted message
QUEUED = 1001
#: codes of the numbers that are refused in an accepted request; others are VALIDATION. The first is the vendor's, the
#: others are ours: the vendor publishes no list
NUMBERS: dict[Code, int] = {
    Code.PHONE_INVALID: 1002,
    Code.NO_ROUTE: 1002,
    Code.NO_PRICE: 1002,
    Code.COUNTRY_FORBIDDEN: 1002,
    Code.OPTED_OUT: 1006,
    Code.DND_BLOCKED: 1006,
    Code.INSUFFICIENT_FUNDS: 1007,
}


def sent(recipients: Sequence[Recipient], answered: Answered) -> ApiResponse:
    """Return the response to an SMS request: a transaction id, or an error, for each of its numbers."""
    refused = {each.index: each.code for each in answered.refusals}
    messages: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for index, (recipient, written) in enumerate(zip(recipients, answered.messages, strict=True)):
        code = refused.get(index, Code.INTERNAL) if written is None else written.refusal
        if code is not None or written is None:
            errors.append(_error(recipient.to, code or Code.INTERNAL))
        else:
            transaction = ksuids.spell("tid_", written.id)
            messages.append({"transaction_id": transaction, "to": recipient.to, "status": "queued", "code": QUEUED})
    request = ksuids.spell("aps_", answered.request)
    return reply(200, {"request_id": request, "messages": messages, "errors": errors})


def _error(number: str, code: Code) -> dict[str, Any]:
    words = ERRORS[code].message or "The message was refused."
    return {"to": number, "status": "error", "code": NUMBERS.get(code, VALIDATION), "message": words}


def nothing() -> ApiResponse:
    """Return an empty response, 204."""
    return ApiResponse(204, b"")


# The account --------------------------------------------------------------------------------------------------


def account(key: ApiKey, balance: AccountBalance) -> ApiResponse:
    """Return the response with the key's account; home region and time zone are settings of the key."""
    return reply(
        200,
        {
            "account_uid": f"acc_{_base62(uuid5(NAMESPACE_OID, key.owner))}",
            "account_status": "VERIFIED",
            "home_region": str(key.settings.get("home_region", "UK")),
            "time_zone": str(key.settings.get("time_zone", "UTC")),
            "default_currency": key.currency,
            "account_balance": currencies.major(balance.balance, key.currency),
            "created": datetimes.write(balance.created_at),
        },
    )


def _base62(id_: UUID) -> str:
    """Return an id in the vendor's format of account ids: 22 base62 digits."""
    return ksuids.spell("", id_, datetimes.NEVER)[-22:]


# Senders ------------------------------------------------------------------------------------------------------

SENDERS = {SenderState.PENDING: "Pending", SenderState.APPROVED: "Verified", SenderState.REJECTED: "Rejected"}


def senders(found: Sequence[ShownSenderId], number: int, size: int) -> ApiResponse:
    """Return the response with one page of the account's senders."""
    return _page([_sender(each) for each in found[(number - 1) * size : number * size]], number, size, len(found))


def sender(found: ShownSenderId) -> ApiResponse:
    """Return the response with one of the account's senders."""
    return reply(200, _sender(found))


def _sender(found: ShownSenderId) -> dict[str, Any]:
    return {
        "id": ksuids.spell("ssd_", found.id, found.created_at),
        "name": found.sender,
        "status": SENDERS[found.state],
    }


# Scheduled requests -------------------------------------------------------------------------------------------

#: the vendor's status of a scheduled request as a whole; the other statuses do not occur
STATUSES = {
    Status.SCHEDULED: "SCHEDULED",
    Status.QUEUED: "IN_PROGRESS",
    Status.SENT: "SENT",
    Status.FAILED: "ERROR",
    Status.CANCELLED: "DELETED",
}


def scheduled(found: Sequence[ShownSchedule], number: int, size: int) -> ApiResponse:
    """Return the response with one page of the requests that a search found."""
    items = [_scheduled(each) for each in found[(number - 1) * size : number * size]]
    return _page(items, number, size, len(found))


def _scheduled(found: ShownSchedule) -> dict[str, Any]:
    return {
        "id": ksuids.spell("aps_", found.id),
        "name": "",
        "type": "API",
        "request_type": "API",
        "status": STATUSES[found.status],
        "sender_name": found.sender,
        "message_body": found.body,
        "scheduled_at": datetimes.write(found.send_at),
        "created_at": datetimes.write(found.created_at),
        "updated_at": datetimes.write(found.created_at),
    }


def _page(items: list[dict[str, Any]], number: int, size: int, total: int) -> ApiResponse:
    paging = {"current_page": number, "total_items": total, "total_pages": -(-total // size)}
    return reply(200, {"paging": paging, "items": items})
