"""Robase's template operations: create, get, list, change, delete, preview."""

from collections.abc import Mapping

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.robase import resources, responses, templates
from pipeline.dialects.robase.errors import refuse
from pipeline.dialects.robase.operations.messages import FULL
from pipeline.stages.api.templates import ShownTemplate, create, delete, find, list_all, update
from schema.api import ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code, Syntax

_UNKNOWN = Refusal(Code.NOT_FOUND, "template not found")
_TAKEN = Refusal(Code.CONFLICT, "there is a template of this name", "name")


async def create_template(context: RequestContext) -> ApiResponse:
    """Answer `POST /sms-templates`: 201, or 409 if the name is taken."""
    asked = resources.read_template(context.call)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    assert asked.name is not None
    assert asked.body is not None
    made = await context.submission.run(create, context.key.account, asked.slug, asked.name, asked.body, Syntax.GO)
    return reply(201, responses.template(made)) if made else refuse(context.call, [_TAKEN])


async def list_templates(context: RequestContext) -> ApiResponse:
    """Answer `GET /sms-templates`: all of the account's."""
    found = await context.submission.run(list_all, context.key.account)
    return responses.listed([responses.template(each) for each in found])


async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /sms-templates/{id}`: the template, or 404."""
    found = await _find(context)
    return reply(200, responses.template(found)) if found else refuse(context.call, [_UNKNOWN])


async def change(context: RequestContext) -> ApiResponse:
    """Answer `PATCH` and `PUT /sms-templates/{id}`: change a template; its slug stays when its name changes."""
    asked = resources.read_template_change(context.call)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    found = await _find(context)
    changed = found and await context.submission.run(
        update, context.key.account, found.id, name=asked.name, body=asked.body, syntax=Syntax.GO
    )
    return reply(200, responses.template(changed)) if changed else refuse(context.call, [_UNKNOWN])


async def remove(context: RequestContext) -> ApiResponse:
    """Answer `DELETE /sms-templates/{id}`: 204, or 404."""
    found = await _find(context)
    if found is None or not await context.submission.run(delete, context.key.account, found.id):
        return refuse(context.call, [_UNKNOWN])
    return ApiResponse(204, b"")


async def preview(context: RequestContext) -> ApiResponse:
    """Answer `POST /sms-templates/{id}/render`: the rendered text and its segments; nothing is sent."""
    given = resources.read_variables(context.call)
    if not isinstance(given, Mapping):
        return refuse(context.call, [given])
    found = await _find(context)
    if found is None:
        return refuse(context.call, [_UNKNOWN])
    body, measure = templates.preview(found, given)
    if len(body) > templates.MOST_BODY:
        return refuse(context.call, [Refusal(Code.BODY_TOO_LONG, "", "body")])
    return responses.rendered(body, measure)


async def _find(context: RequestContext) -> ShownTemplate | None:
    return await context.submission.run(find, context.key.account, templates.slug_or_id(context.path["id"]))


OPERATIONS = (
    ApiOperation("POST", "/v1/sms-templates", "templates", create_template, FULL, live_only=True),
    ApiOperation("GET", "/v1/sms-templates", "templates", list_templates, FULL),
    ApiOperation("GET", "/v1/sms-templates/{id}", "templates", get, FULL),
    ApiOperation("PATCH", "/v1/sms-templates/{id}", "templates", change, FULL, live_only=True),
    ApiOperation("PUT", "/v1/sms-templates/{id}", "templates", change, FULL, live_only=True),
    ApiOperation("DELETE", "/v1/sms-templates/{id}", "templates", remove, FULL, live_only=True),
    ApiOperation("POST", "/v1/sms-templates/{id}/render", "render", preview, FULL),
)
