"""Repeat: tell what was made of an order of our own that is about to be handed over again under its key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.rules.idempotency import fingerprint
from pipeline.runtime import Runtime
from pipeline.store import requests
from pipeline.store.doors import answers
from schema.order import Order


@dataclass(frozen=True, slots=True)
class Standing:
    """How an order stands that may have been handed over before."""

    #: the request id to hand it over under; None: another order has its key
    request: UUID | None
    #: whether it was taken: there is nothing to hand over any more
    is_taken: bool = False


def standing(rt: Runtime, account: str, key: str, ids: Sequence[UUID]) -> Standing:
    """Return how the order stands that has this idempotency key, and a request id of these for each time it is tried.

    What was refused whole, or nobody paid for, may be tried again: under the next id.
    """
    with rt.glance() as conn:
        holder = answers.holders(conn, [(account, requests.ORDERS, key)]).get((account, requests.ORDERS, key))
        known = requests.known(conn, ids)
        is_unpaid = holder is not None and bool(requests.unpaid(conn, [holder]))
    if holder is None or is_unpaid:
        return Standing(next((each for each in ids if each not in known), ids[-1]))
    return Standing(holder, is_taken=True) if holder in ids else Standing(None)


@dataclass(frozen=True, slots=True)
class Holder:
    """The request that was taken under an idempotency key."""

    request: UUID
    #: whether it asks for something else than the order that is about to be handed over
    is_another: bool


def holder(rt: Runtime, order: Order) -> Holder | None:
    """Return the request that has an order's idempotency key; None: none has, or it may be tried again."""
    key = (order.account, order.door or requests.ORDERS, order.idempotency_key)
    with rt.glance() as conn:
        found = answers.holders(conn, [key]).get(key)
        if found is None or requests.unpaid(conn, [found]):
            return None
        _, asked = requests.answers(conn, [found]).get(found, (None, None))
    return Holder(found, is_another=asked is not None and asked != fingerprint(order))


def in_conflict(rt: Runtime, wanted: Iterable[UUID]) -> list[UUID]:
    """Return those of these requests that met another order under their key or id."""
    with rt.glance() as conn:
        return requests.in_conflict(conn, wanted)
