"""Robase's sender ids: asked for here, approved or rejected by an operator."""

from pipeline.dialects.contract import reply
from pipeline.dialects.robase import answers, assets
from pipeline.dialects.robase.errors import refuse
from pipeline.stages.doors.register import SenderId, amend, find, list_all, register
from schema.door import Reply
from schema.message import Refusal
from schema.vocabulary import Code
from workers.doors.entry import Operation, Visit
from workers.doors.robase.sms import FULL, read_id

_UNKNOWN = Refusal(Code.NOT_FOUND, "sender ID not found")
_TAKEN = Refusal(Code.CONFLICT, "this sender ID is registered already", "sender_id")
_SETTLED = Refusal(Code.CONFLICT, "only a pending sender ID can be changed")


async def write(visit: Visit) -> Reply:
    """Answer `POST /sender-ids`: it waits for approval, and may be used for tests."""
    asked = assets.read_sender(visit.call)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    made = await visit.desk.run(register, visit.key.account, asked.sender, asked.countries or [], asked.registration)
    return reply(201, answers.sender(made)) if made else refuse(visit.call, [_TAKEN])


async def list_them(visit: Visit) -> Reply:
    """Answer `GET /sender-ids`."""
    found = await visit.desk.run(list_all, visit.key.account)
    return answers.listed([answers.sender(each) for each in found])


async def get(visit: Visit) -> Reply:
    """Answer `GET /sender-ids/{id}`."""
    found = await _find(visit)
    return reply(200, answers.sender(found)) if found else refuse(visit.call, [_UNKNOWN])


async def change(visit: Visit) -> Reply:
    """Answer `PATCH /sender-ids/{id}`: what is said of one may change while it is pending."""
    asked = assets.read_sender_change(visit.call)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    found = await _find(visit)
    if found is None:
        return refuse(visit.call, [_UNKNOWN])
    changed = await visit.desk.run(amend, visit.key.account, found.id, asked.countries, asked.registration)
    return reply(200, answers.sender(changed)) if changed else refuse(visit.call, [_SETTLED])


async def _find(visit: Visit) -> SenderId | None:
    id_ = read_id(visit.path["id"])
    return await visit.desk.run(find, visit.key.account, id_) if id_ else None


OPERATIONS = (
    Operation("POST", "/v1/sender-ids", "sender-ids", write, FULL, live=True),
    Operation("GET", "/v1/sender-ids", "sender-ids", list_them, FULL),
    Operation("GET", "/v1/sender-ids/{id}", "sender-ids", get, FULL),
    Operation("PATCH", "/v1/sender-ids/{id}", "sender-ids", change, FULL, live=True),
)
