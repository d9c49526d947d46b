"""Robase's templates: written, read, tried out."""

from collections.abc import Mapping

from pipeline.dialects.contract import reply
from pipeline.dialects.robase import answers, assets, texts
from pipeline.dialects.robase.errors import refuse
from pipeline.stages.doors.texts import Text, create, delete, find, list_all, update
from schema.door import Reply
from schema.message import Refusal
from schema.vocabulary import Code, Syntax
from workers.doors.entry import Operation, Visit
from workers.doors.robase.sms import FULL

_UNKNOWN = Refusal(Code.NOT_FOUND, "template not found")
_TAKEN = Refusal(Code.CONFLICT, "there is a template of this name", "name")


async def write(visit: Visit) -> Reply:
    """Answer `POST /sms-templates`."""
    asked = assets.read_template(visit.call)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    assert asked.name is not None
    assert asked.body is not None
    made = await visit.desk.run(create, visit.key.account, asked.slug, asked.name, asked.body, Syntax.GO)
    return reply(201, answers.template(made)) if made else refuse(visit.call, [_TAKEN])


async def list_them(visit: Visit) -> Reply:
    """Answer `GET /sms-templates`."""
    found = await visit.desk.run(list_all, visit.key.account)
    return answers.listed([answers.template(each) for each in found])


async def get(visit: Visit) -> Reply:
    """Answer `GET /sms-templates/{id}`."""
    found = await _find(visit)
    return reply(200, answers.template(found)) if found else refuse(visit.call, [_UNKNOWN])


async def change(visit: Visit) -> Reply:
    """Answer `PATCH` and `PUT /sms-templates/{id}`: its slug stays, whatever its name."""
    asked = assets.read_template_change(visit.call)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    found = await _find(visit)
    changed = found and await visit.desk.run(
        update, visit.key.account, found.id, name=asked.name, body=asked.body, syntax=Syntax.GO
    )
    return reply(200, answers.template(changed)) if changed else refuse(visit.call, [_UNKNOWN])


async def remove(visit: Visit) -> Reply:
    """Answer `DELETE /sms-templates/{id}`."""
    found = await _find(visit)
    if found is None or not await visit.desk.run(delete, visit.key.account, found.id):
        return refuse(visit.call, [_UNKNOWN])
    return Reply(204, b"")


async def preview(visit: Visit) -> Reply:
    """Answer `POST /sms-templates/{id}/render`: what would be sent, and nothing is."""
    given = assets.read_variables(visit.call)
    if not isinstance(given, Mapping):
        return refuse(visit.call, [given])
    found = await _find(visit)
    if found is None:
        return refuse(visit.call, [_UNKNOWN])
    body, measure = texts.preview(found, given)
    if len(body) > texts.MOST_BODY:
        return refuse(visit.call, [Refusal(Code.BODY_TOO_LONG, "", "body")])
    return answers.rendered(body, measure)


async def _find(visit: Visit) -> Text | None:
    return await visit.desk.run(find, visit.key.account, texts.word(visit.path["id"]))


OPERATIONS = (
    Operation("POST", "/v1/sms-templates", "templates", write, FULL, live=True),
    Operation("GET", "/v1/sms-templates", "templates", list_them, FULL),
    Operation("GET", "/v1/sms-templates/{id}", "templates", get, FULL),
    Operation("PATCH", "/v1/sms-templates/{id}", "templates", change, FULL, live=True),
    Operation("PUT", "/v1/sms-templates/{id}", "templates", change, FULL, live=True),
    Operation("DELETE", "/v1/sms-templates/{id}", "templates", remove, FULL, live=True),
    Operation("POST", "/v1/sms-templates/{id}/render", "render", preview, FULL),
)
