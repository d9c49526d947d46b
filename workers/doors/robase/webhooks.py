"""Robase's webhooks: where a project is told what becomes of its messages."""

from pipeline.dialects.contract import reply
from pipeline.dialects.robase import answers, assets
from pipeline.dialects.robase.errors import refuse
from pipeline.stages.doors import subscribe
from pipeline.stages.doors.subscribe import Endpoint, TooMany, UrlUnfit
from schema.door import Reply
from schema.message import Refusal
from schema.vocabulary import Code, Dialect, EndpointState
from workers.doors.entry import Operation, Visit
from workers.doors.robase.sms import FULL, read_id

_UNKNOWN = Refusal(Code.NOT_FOUND, "webhook not found")


async def write(visit: Visit) -> Reply:
    """Answer `POST /webhooks`: with the secret, the only time."""
    asked = assets.read_webhook(visit.call)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    assert asked.url is not None
    assert asked.events is not None
    account, description = visit.key.account, asked.description or ""
    try:
        made, secret = await visit.desk.run(
            subscribe.create, account, Dialect.ROBASE, asked.url, events=asked.events, description=description
        )
    except (UrlUnfit, TooMany) as error:
        return refuse(visit.call, [_fault(error)])
    return reply(201, _shown(made, secret))


async def list_them(visit: Visit) -> Reply:
    """Answer `GET /webhooks`."""
    found = await visit.desk.run(subscribe.list_all, visit.key.account)
    return answers.listed([_shown(each) for each in found if each.dialect is Dialect.ROBASE])


async def get(visit: Visit) -> Reply:
    """Answer `GET /webhooks/{id}`."""
    found = await _find(visit)
    return reply(200, _shown(found)) if found else refuse(visit.call, [_UNKNOWN])


async def change(visit: Visit) -> Reply:
    """Answer `PATCH /webhooks/{id}`."""
    asked = assets.read_webhook_change(visit.call)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    found = await _find(visit)
    if found is None:
        return refuse(visit.call, [_UNKNOWN])
    state = None if asked.enabled is None else EndpointState.ACTIVE if asked.enabled else EndpointState.SUSPENDED
    try:
        changed = await visit.desk.run(
            subscribe.change,
            visit.key.account,
            found.id,
            url=asked.url,
            events=asked.events,
            description=asked.description,
            state=state,
        )
    except UrlUnfit as error:
        return refuse(visit.call, [_fault(error)])
    return reply(200, _shown(changed)) if changed else refuse(visit.call, [_UNKNOWN])


async def remove(visit: Visit) -> Reply:
    """Answer `DELETE /webhooks/{id}`."""
    found = await _find(visit)
    if found is None or not await visit.desk.run(subscribe.remove, visit.key.account, found.id):
        return refuse(visit.call, [_UNKNOWN])
    return Reply(204, b"")


async def rotate(visit: Visit) -> Reply:
    """Answer `POST /webhooks/{id}/rotate-secret`: with the new secret; the old one is good for another day."""
    found = await _find(visit)
    turned = await visit.desk.run(subscribe.rotate_secret, visit.key.account, found.id) if found else None
    return reply(200, _shown(*turned)) if turned else refuse(visit.call, [_UNKNOWN])


async def _find(visit: Visit) -> Endpoint | None:
    id_ = read_id(visit.path["id"])
    found = await visit.desk.run(subscribe.find, visit.key.account, id_) if id_ else None
    return found if found and found.dialect is Dialect.ROBASE else None


def _shown(endpoint: Endpoint, secret: str | None = None) -> dict[str, object]:
    return answers.webhook(
        str(endpoint.id),
        endpoint.url,
        endpoint.events,
        endpoint.description,
        endpoint.state is EndpointState.ACTIVE,
        endpoint.created_at,
        secret,
    )


def _fault(error: UrlUnfit | TooMany) -> Refusal:
    if isinstance(error, UrlUnfit):
        return Refusal(Code.INVALID_FIELD, f"url {error}", "url")
    return Refusal(Code.CONFLICT, str(error))


OPERATIONS = (
    Operation("POST", "/v1/webhooks", "webhooks", write, FULL, live=True),
    Operation("GET", "/v1/webhooks", "webhooks", list_them, FULL),
    Operation("GET", "/v1/webhooks/{id}", "webhooks", get, FULL),
    Operation("PATCH", "/v1/webhooks/{id}", "webhooks", change, FULL, live=True),
    Operation("DELETE", "/v1/webhooks/{id}", "webhooks", remove, FULL, live=True),
    Operation("POST", "/v1/webhooks/{id}/rotate-secret", "rotate", rotate, FULL, live=True),
)
