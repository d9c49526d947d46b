"""Robase's webhook endpoint operations: create, get, list, change, delete, rotate the secret."""

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.robase import resources, responses
from pipeline.dialects.robase.errors import refuse
from pipeline.dialects.robase.operations.messages import FULL, read_id
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.api.webhook_endpoints import Endpoint, TooMany, UrlForbidden
from schema.api import ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code, EndpointState

_UNKNOWN = Refusal(Code.NOT_FOUND, "webhook not found")


async def create_webhook(context: RequestContext) -> ApiResponse:
    """Answer `POST /webhooks`: 201, the only response with the endpoint's first secret."""
    asked = resources.read_webhook(context.call)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    assert asked.url is not None
    assert asked.events is not None
    account, description = context.key.account, asked.description or ""
    try:
        made, secret = await context.submission.run(
            webhook_endpoints.create, account, context.dialect, asked.url, events=asked.events, description=description
        )
    except (UrlForbidden, TooMany) as error:
        return refuse(context.call, [_fault(error)])
    return reply(201, _shown(made, secret))


async def list_webhooks(context: RequestContext) -> ApiResponse:
    """Answer `GET /webhooks`: all of the account's."""
    found = await context.submission.run(webhook_endpoints.list_all, context.key.account)
    return responses.listed([_shown(each) for each in found if each.dialect == context.dialect.name])


async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /webhooks/{id}`: the webhook, or 404."""
    found = await _find(context)
    return reply(200, _shown(found)) if found else refuse(context.call, [_UNKNOWN])


async def change(context: RequestContext) -> ApiResponse:
    """Answer `PATCH /webhooks/{id}`: the changed webhook, or 404."""
    asked = resources.read_webhook_change(context.call)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    found = await _find(context)
    if found is None:
        return refuse(context.call, [_UNKNOWN])
    state = None if asked.enabled is None else EndpointState.ACTIVE if asked.enabled else EndpointState.SUSPENDED
    try:
        changed = await context.submission.run(
            webhook_endpoints.change,
            context.key.account,
            context.dialect,
            found.id,
            url=asked.url,
            events=asked.events,
            description=asked.description,
            state=state,
        )
    except UrlForbidden as error:
        return refuse(context.call, [_fault(error)])
    return reply(200, _shown(changed)) if changed else refuse(context.call, [_UNKNOWN])


async def remove(context: RequestContext) -> ApiResponse:
    """Answer `DELETE /webhooks/{id}`: 204, or 404."""
    found = await _find(context)
    if found is None or not await context.submission.run(webhook_endpoints.remove, context.key.account, found.id):
        return refuse(context.call, [_UNKNOWN])
    return ApiResponse(204, b"")


async def rotate(context: RequestContext) -> ApiResponse:
    """Answer `POST /webhooks/{id}/rotate-secret`: the new secret; the old one is valid for another day."""
    found = await _find(context)
    rotated = (
        await context.submission.run(webhook_endpoints.rotate_secret, context.key.account, found.id) if found else None
    )
    return reply(200, _shown(*rotated)) if rotated else refuse(context.call, [_UNKNOWN])


async def _find(context: RequestContext) -> Endpoint | None:
    id_ = read_id(context.path["id"])
    found = await context.submission.run(webhook_endpoints.find, context.key.account, id_) if id_ else None
    return found if found and found.dialect == context.dialect.name else None


def _shown(endpoint: Endpoint, secret: str | None = None) -> dict[str, object]:
    return responses.webhook(
        str(endpoint.id),
        endpoint.url,
        endpoint.events,
        endpoint.description,
        endpoint.state is EndpointState.ACTIVE,
        endpoint.created_at,
        secret,
    )


def _fault(error: UrlForbidden | TooMany) -> Refusal:
    if isinstance(error, UrlForbidden):
        return Refusal(Code.INVALID_FIELD, f"url {error}", "url")
    return Refusal(Code.CONFLICT, str(error))


OPERATIONS = (
    ApiOperation("POST", "/v1/webhooks", "webhooks", create_webhook, FULL, live_only=True),
    ApiOperation("GET", "/v1/webhooks", "webhooks", list_webhooks, FULL),
    ApiOperation("GET", "/v1/webhooks/{id}", "webhooks", get, FULL),
    ApiOperation("PATCH", "/v1/webhooks/{id}", "webhooks", change, FULL, live_only=True),
    ApiOperation("DELETE", "/v1/webhooks/{id}", "webhooks", remove, FULL, live_only=True),
    ApiOperation("POST", "/v1/webhooks/{id}/rotate-secret", "rotate", rotate, FULL, live_only=True),
)
