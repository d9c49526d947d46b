"""Webhook endpoint operations of Postroad's own API: create, list, get, change, delete, rotate the secret."""

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.postroad import resources, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import WRITE_WEBHOOKS
from pipeline.dialects.postroad.requests import read_id
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.api.webhook_endpoints import Endpoint, TooMany, UrlForbidden
from schema.api import ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code, EndpointState

_UNKNOWN = Refusal(Code.NOT_FOUND, "there is no such webhook")


async def create_webhook(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/webhooks`: 201, the only response with the endpoint's first secret."""
    asked = resources.read_webhook(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    try:
        made, secret = await context.submission.run(
            webhook_endpoints.create,
            context.key.account,
            context.dialect,
            asked.url,
            events=asked.events,
            description=asked.description,
        )
    except (UrlForbidden, TooMany) as error:
        return refuse(context.call, [_fault(error)])
    return reply(201, _shown(made, secret))


async def list_webhooks(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/webhooks`: the account's endpoints of this API, the oldest first."""
    found = await context.submission.run(webhook_endpoints.list_all, context.key.account)
    return responses.page([_shown(each) for each in found if each.dialect == context.dialect.name])


async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/webhooks/{id}`: the endpoint, or 404."""
    found = await _find(context)
    return reply(200, _shown(found)) if found else refuse(context.call, [_UNKNOWN])


async def change(context: RequestContext) -> ApiResponse:
    """Answer `PATCH /v1/webhooks/{id}`: the changed endpoint, or 404; enabled, it gets all that waits at once."""
    asked = resources.read_webhook_change(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
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
    """Answer `DELETE /v1/webhooks/{id}`: 204, or 404."""
    found = await _find(context)
    if found is None or not await context.submission.run(webhook_endpoints.remove, context.key.account, found.id):
        return refuse(context.call, [_UNKNOWN])
    return ApiResponse(204, b"")


async def rotate(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/webhooks/{id}/rotate-secret`: the new secret; for a day both sign."""
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
    """Return an endpoint; its secret only where it is created or rotated."""
    return {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "description": endpoint.description,
        "events": list(endpoint.events),
        "enabled": endpoint.state is EndpointState.ACTIVE,
        "failing_since": responses.instant_or_none(endpoint.failing_since),
        "created_at": responses.instant(endpoint.created_at),
        "secret": secret,
    }


def _fault(error: UrlForbidden | TooMany) -> Refusal:
    if isinstance(error, UrlForbidden):
        return Refusal(Code.INVALID_FIELD, str(error), "url")
    return Refusal(Code.CONFLICT, str(error))


OPERATIONS = (
    ApiOperation("POST", "/v1/webhooks", "webhooks", create_webhook, WRITE_WEBHOOKS, live_only=True),
    ApiOperation("GET", "/v1/webhooks", "webhooks", list_webhooks, WRITE_WEBHOOKS),
    ApiOperation("GET", "/v1/webhooks/{id}", "webhooks", get, WRITE_WEBHOOKS),
    ApiOperation("PATCH", "/v1/webhooks/{id}", "webhooks", change, WRITE_WEBHOOKS, live_only=True),
    ApiOperation("DELETE", "/v1/webhooks/{id}", "webhooks", remove, WRITE_WEBHOOKS, live_only=True),
    ApiOperation("POST", "/v1/webhooks/{id}/rotate-secret", "rotate", rotate, WRITE_WEBHOOKS, live_only=True),
)
