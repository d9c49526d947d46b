"""Template operations of Postroad's own API: create, list, get, replace, delete, versions."""

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.postroad import resources, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import READ_TEMPLATES, WRITE_TEMPLATES
from pipeline.stages.api.templates import ShownTemplate, create, delete, find, list_all, update, versions
from schema.api import ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code, Syntax

_UNKNOWN = Refusal(Code.NOT_FOUND, "there is no such template")
_TAKEN = Refusal(Code.CONFLICT, "there is a template of this slug", "slug")


async def create_template(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/templates`: 201, or 409 if the slug is taken."""
    asked = resources.read_template(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    account, name = context.key.account, asked.name or asked.slug
    made = await context.submission.run(create, account, asked.slug, name, asked.body, Syntax.MERGE)
    return reply(201, responses.template(made)) if made else refuse(context.call, [_TAKEN])


async def list_templates(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/templates`: the account's templates, the oldest first."""
    found = await context.submission.run(list_all, context.key.account)
    return responses.page(list(map(responses.template, found)))


async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/templates/{id}`: the template of this slug or id, or 404."""
    found = await _find(context)
    return reply(200, responses.template(found)) if found else refuse(context.call, [_UNKNOWN])


async def list_versions(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/templates/{id}/versions`: the texts that the template has had, the latest first, or 404."""
    found = await context.submission.run(versions, context.key.account, context.path["id"])
    if found is None:
        return refuse(context.call, [_UNKNOWN])
    return responses.page(list(map(responses.template_version, found)))


async def replace(context: RequestContext) -> ApiResponse:
    """Answer `PUT /v1/templates/{id}`: the template with its new text; messages keep the one they were made with."""
    asked = resources.read_template_body(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found = await _find(context)
    changed = found and await context.submission.run(
        update, context.key.account, found.id, name=asked.name, body=asked.body, syntax=Syntax.MERGE
    )
    return reply(200, responses.template(changed)) if changed else refuse(context.call, [_UNKNOWN])


async def remove(context: RequestContext) -> ApiResponse:
    """Answer `DELETE /v1/templates/{id}`: 204, or 404."""
    found = await _find(context)
    if found is None or not await context.submission.run(delete, context.key.account, found.id):
        return refuse(context.call, [_UNKNOWN])
    return ApiResponse(204, b"")


async def _find(context: RequestContext) -> ShownTemplate | None:
    return await context.submission.run(find, context.key.account, context.path["id"])


OPERATIONS = (
    ApiOperation("POST", "/v1/templates", "templates", create_template, WRITE_TEMPLATES, live_only=True),
    ApiOperation("GET", "/v1/templates", "templates", list_templates, READ_TEMPLATES),
    ApiOperation("GET", "/v1/templates/{id}", "templates", get, READ_TEMPLATES),
    ApiOperation("GET", "/v1/templates/{id}/versions", "templates", list_versions, READ_TEMPLATES),
    ApiOperation("PUT", "/v1/templates/{id}", "templates", replace, WRITE_TEMPLATES, live_only=True),
    ApiOperation("DELETE", "/v1/templates/{id}", "templates", remove, WRITE_TEMPLATES, live_only=True),
)
