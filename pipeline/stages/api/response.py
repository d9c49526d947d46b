"""Responses to API requests: read the written messages of orders, with segments, cost and refusals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pipeline.rules.api import idempotency
from pipeline.runtime import Runtime
from pipeline.store import requests
from pipeline.store.api import responses
from schema.message import Accepted, Answered
from schema.order import Order

#: (account's name, name space of requests, idempotency key)
_Keyed = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Readback:
    """Responses, and the batches that must be billed before the responses are complete."""

    answered: list[Answered]
    #: batches of these orders that are not billed yet
    unpaid: list[UUID]


def answer(rt: Runtime, accepted: Sequence[Accepted]) -> Readback:
    """Return the full response to each accepted order, in order; messages that are not billed yet are missing in it."""
    spans = [
        (each.request, min(own), max(own), each.replayed)
        for each in accepted
        if (own := [id_ for id_ in each.messages if id_ is not None])
    ]
    with rt.read_only() as conn:
        written, unpaid = responses.written(conn, spans)
    return Readback(
        [
            Answered(
                each.request,
                [written.get(id_) if id_ else None for id_ in each.messages],
                each.refusals,
                each.replayed,
                each.altered,
            )
            for each in accepted
        ],
        unpaid,
    )


def earlier_responses(rt: Runtime, orders: Sequence[Order]) -> list[Accepted | None]:
    """Return for each order the earlier response under its idempotency key, or None, in order.

    A request that could not be paid for has no lasting response: None, so that it is processed again. A response says
    whether the order differs from the earlier one.
    """
    keyed = [(order.account, order.door or idempotency.ORDERS, order.idempotency_key) for order in orders]
    earlier = _earlier(rt, sorted({(account, door, key) for account, door, key in keyed if key is not None}))
    return [
        _compared(order, *earlier[key]) if key in earlier else None for key, order in zip(keyed, orders, strict=True)
    ]


def _compared(order: Order, response: Accepted, earlier: bytes | None) -> Accepted:
    asked = idempotency.fingerprint(order, by_api=True)
    return replace(response, altered=bool(asked and earlier and asked != earlier))


def repeat(rt: Runtime, account: str, door: str, key: str) -> Answered | None:
    """Return the response under an idempotency key of an account; None: there is none, or it is not complete yet."""
    found = [response for response, _ in _earlier(rt, [(account, door, key)]).values()]
    back = answer(rt, found)
    return back.answered[0] if found and not back.unpaid else None


def _earlier(rt: Runtime, wanted: Sequence[_Keyed]) -> dict[_Keyed, tuple[Accepted, bytes | None]]:
    """Return by key the earlier response and the fingerprint of its order."""
    if not wanted:
        return {}
    with rt.read_only() as conn:
        holders = responses.holders(conn, wanted)
        found = requests.answers(conn, list(holders.values()))
        anew = requests.unpaid(conn, found)
    return {key: found[request] for key, request in holders.items() if request in found and request not in anew}
