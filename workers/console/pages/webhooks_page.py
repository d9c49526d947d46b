"""Webhooks: endpoints, their deliveries by state; replaying one, recovering since a time, resuming an endpoint."""

from uuid import UUID

from starlette.responses import Response

from pipeline.errors import InvalidInput, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.api.delivery_pages import delivery_page
from pipeline.stages.api.webhook_deliveries import replay, replay_since
from pipeline.stages.api.webhook_endpoints import Endpoint, find, list_all, resume
from schema.vocabulary import DeliveryState, EndpointState, Right, Status
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: deliveries on a page
_PAGE = 50
#: statuses of which a delivery tells, whose subject is a message
_OF_MESSAGES = frozenset(map(str, Status))


def _list(asked: ConsoleRequest) -> Response:
    names = account_names(asked.rt)
    wanted = asked.account or asked.query.get("account", "")
    if wanted and wanted not in names:
        raise NotFound(f"there is no account {wanted!r}")
    return asked.page(
        "webhooks.html",
        endpoints=list_all(asked.rt, names[wanted] if wanted else None),
        names={id_: name for name, id_ in names.items()},
        accounts=[] if asked.account else list(names),
        wanted=wanted,
    )


def _show(asked: ConsoleRequest) -> Response:
    endpoint = _endpoint(asked)
    word = asked.query.get("state", DeliveryState.WAITING)
    if word not in set(DeliveryState):
        raise NotFound(f"no delivery is {word!r}")
    state = DeliveryState(word)
    page = delivery_page(asked.rt, endpoint.id, state, asked.query.get("cursor", ""), _PAGE)
    return asked.page(
        "webhook.html",
        endpoint=endpoint,
        account=next(name for name, id_ in account_names(asked.rt).items() if id_ == endpoint.account),
        page=page,
        state=state,
        states=list(DeliveryState),
        of_messages=_OF_MESSAGES,
        may_replay=asked.may(Right.REPLAY_WEBHOOKS),
        is_suspended=endpoint.state is EndpointState.SUSPENDED,
    )


def _endpoint(asked: ConsoleRequest) -> Endpoint:
    found = find(asked.rt, asked.user.user.account_id, _uuid(asked.path["id"]))
    if found is None:
        raise NotFound("there is no such webhook")
    return found


def _uuid(word: str) -> UUID:
    try:
        return UUID(word)
    except ValueError:
        raise NotFound(f"{word} is no id") from None


def _replay(asked: ConsoleRequest) -> Response:
    endpoint = _endpoint(asked)
    again = replay(asked.rt, endpoint.account, [_uuid(asked.text("delivery"))])
    notice = "The call will be made again." if again else "It waits already, or is stored no longer."
    return asked.redirect(f"/webhooks/{endpoint.id}", notice=notice)


def _recover(asked: ConsoleRequest) -> Response:
    endpoint = _endpoint(asked)
    since = asked.moment("since", asked.text("since"))
    if since is None:
        raise InvalidInput("say since when")
    only_dead = asked.text("which") != "all"
    again = replay_since(asked.rt, endpoint.account, endpoint.id, since, only_dead=only_dead)
    notice = "1 call will be made again." if again == 1 else f"{again or 0:,} calls will be made again."
    return asked.redirect(f"/webhooks/{endpoint.id}", notice=notice)


def _resume(asked: ConsoleRequest) -> Response:
    endpoint = _endpoint(asked)
    resume(asked.rt, endpoint.account, endpoint.id)
    return asked.redirect(f"/webhooks/{endpoint.id}", notice="It is active; its waiting calls are made at once.")


ROUTES = (
    ConsoleRoute("GET", "/webhooks", _list, Right.VIEW),
    ConsoleRoute("GET", "/webhooks/{id}", _show, Right.VIEW),
    ConsoleRoute("POST", "/webhooks/{id}/replay", _replay, Right.REPLAY_WEBHOOKS),
    ConsoleRoute("POST", "/webhooks/{id}/recover", _recover, Right.REPLAY_WEBHOOKS),
    ConsoleRoute("POST", "/webhooks/{id}/resume", _resume, Right.REPLAY_WEBHOOKS),
)
