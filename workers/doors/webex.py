"""Webex Interact's door: SMS to many numbers, what is scheduled, the account and its senders."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pipeline.dialects.webex import answers, errors, reading, searching
from pipeline.dialects.webex.manner import MANNER
from pipeline.stages.admit import admit
from pipeline.stages.cancel import cancel
from pipeline.stages.doors import register, texts
from pipeline.stages.doors.purse import purse
from pipeline.stages.doors.rehearse import rehearse
from pipeline.stages.doors.restrain import Refused
from pipeline.stages.doors.survey import Sought, View, members, survey
from schema.door import Reply
from schema.message import Answered, Refusal
from schema.order import Order
from schema.vocabulary import Code, Syntax
from workers.doors.desk import Sending
from workers.doors.entry import Entry, Operation, Visit

P = ParamSpec("P")
R = TypeVar("R")

#: bytes of a request above which others are answered while it is read
_LARGE = 64 * 1024


# SMS ----------------------------------------------------------------------------------------------------------


async def send(visit: Visit) -> Reply:
    """Answer `POST /v1/sms`."""
    order = await _order(visit)
    if isinstance(order, Reply):
        return order
    answered = await visit.desk.send(Sending(visit.call.id, order))
    if isinstance(answered, Refused):
        return _refuse(visit, Code.RATE_RECIPIENT, answered.wait)
    return await _answer(visit, order, answered)


async def pretend(visit: Visit) -> Reply:
    """Answer `POST /v1/sms/test`: as `POST /v1/sms` would, and nothing is sent."""
    order = await _order(visit)
    if isinstance(order, Reply):
        return order
    [admission] = await visit.desk.run(admit, [(visit.call.id, order)])
    return await _answer(visit, order, await visit.desk.run(rehearse, admission))


async def _order(visit: Visit) -> Order | Reply:
    """Return what a call asks to have sent, or the answer that says why it cannot be."""
    call, now = visit.call, visit.desk.rt.now()
    if not reading.is_json(call):
        return _refuse(visit, Code.MEDIA_UNKNOWN)
    ask = await _apart(visit, reading.read, call.body, now)
    if isinstance(ask, list):
        return errors.invalid(ask)
    text = ask.text
    if text is None:
        found = await visit.desk.run(texts.find, visit.key.account, ask.template)
        if found is None or found.syntax is not Syntax.MERGE:
            return _refuse(visit, Code.TEMPLATE_UNKNOWN)
        text = found.body
    return reading.order(ask, text, visit.key, now)


async def _answer(visit: Visit, order: Order, answered: Answered) -> Reply:
    whole = [each for each in answered.refusals if each.index is None]
    if whole:
        return errors.refuse(visit.call, whole)
    return await _apart(visit, answers.sent, order.recipients, answered)


async def _apart(visit: Visit, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what the work returns: a large request's is done in a thread."""
    if len(visit.call.body) > _LARGE:
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


# Scheduled requests -------------------------------------------------------------------------------------------


async def search(visit: Visit) -> Reply:
    """Answer `POST /campaigns/v1/scheduled`."""
    if not reading.is_json(visit.call):
        return _refuse(visit, Code.MEDIA_UNKNOWN)
    asked = searching.search(visit.call.body)
    if isinstance(asked, list):
        return errors.traced(visit.call, 400, asked)
    sought = Sought(asked.made, asked.id, asked.created, asked.scheduled)
    found = await visit.desk.run(survey, _view(visit), sought) if asked.is_ours else []
    return answers.scheduled(asked.pick(found), asked.number, asked.size)


async def take_back(visit: Visit) -> Reply:
    """Answer `DELETE /campaigns/v1/cancel/{id}`: what still waits of a request is cancelled."""
    request = searching.request_id(visit.path["id"])
    wanted = await visit.desk.run(members, _view(visit), request) if request else None
    if wanted is None:
        return _refuse(visit, Code.NOT_FOUND)
    done = await visit.desk.run(cancel, visit.key.account, wanted)
    if not done.cancelled:
        words = "the request is no longer scheduled"
        return errors.traced(visit.call, 400, [errors.Fault("id", words)])
    return answers.nothing()


def _view(visit: Visit) -> View:
    return View(visit.key.account, (reading.DOOR,), visit.key.test)


# The account and its senders ----------------------------------------------------------------------------------


async def show_account(visit: Visit) -> Reply:
    """Answer `GET /identity/v1/account`."""
    return answers.account(visit.key, await visit.desk.run(purse, visit.key.account))


async def list_senders(visit: Visit) -> Reply:
    """Answer `GET /assets/v1/senders`."""
    page = searching.page(visit.call.query)
    if isinstance(page, list):
        return errors.traced(visit.call, 400, page)
    return answers.senders(await visit.desk.run(register.list_all, visit.key.account), *page)


async def show_sender(visit: Visit) -> Reply:
    """Answer `GET /assets/v1/senders/{id}`."""
    id_ = searching.sender_id(visit.path["id"])
    found = await visit.desk.run(register.find, visit.key.account, id_) if id_ else None
    return answers.sender(found) if found else _refuse(visit, Code.NOT_FOUND)


async def delete_sender(visit: Visit) -> Reply:
    """Answer `DELETE /assets/v1/senders/{id}`."""
    id_ = searching.sender_id(visit.path["id"])
    if id_ is None or not await visit.desk.run(register.delete, visit.key.account, id_):
        return _refuse(visit, Code.NOT_FOUND)
    return answers.nothing()


def _refuse(visit: Visit, code: Code, wait: float = 0.0) -> Reply:
    return errors.refuse(visit.call, [Refusal(code, "")], wait)


_SENDING, _SCHEDULED, _ACCOUNT, _SENDERS = "sending", "scheduled", "account", "senders"
_SENDER = "/assets/v1/senders/{id}"

ENTRY = Entry(
    MANNER,
    [
        Operation("POST", "/v1/sms", "sms", send, _SENDING, bulky=True),
        Operation("POST", "/v1/sms/test", "test", pretend, _SENDING, bulky=True),
        Operation("POST", "/campaigns/v1/scheduled", "scheduled", search, _SCHEDULED),
        Operation("POST", "/v1/sms/scheduled/search", "scheduled", search, _SCHEDULED),
        Operation("DELETE", "/campaigns/v1/cancel/{id}", "cancel", take_back, _SCHEDULED),
        Operation("DELETE", "/v1/sms/scheduled/{id}", "cancel", take_back, _SCHEDULED),
        Operation("GET", "/identity/v1/account", "account", show_account, _ACCOUNT),
        Operation("GET", "/assets/v1/senders", "senders", list_senders, _SENDERS),
        Operation("GET", _SENDER, "senders", show_sender, _SENDERS),
        Operation("DELETE", _SENDER, "senders", delete_sender, _SENDERS, live=True),
    ],
)
