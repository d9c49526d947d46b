"""Repeat: tell what was made of an order of our own that is about to be handed over again under its key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.rules.api import idempotency
from pipeline.rules.api.idempotency import fingerprint
from pipeline.runtime import Connection, Runtime
from pipeline.store import key_reservations, replays, requests
from pipeline.store.api import responses
from schema.message import Admission
from schema.order import Order


@dataclass(frozen=True, slots=True)
class RepeatedOrder:
    """How an order stands that may have been handed over before."""

    #: the request id to hand it over under; None: another order has its key
    request: UUID | None
    #: whether it was taken: there is nothing to hand over any more
    is_taken: bool = False
    #: places of the recipients nobody paid for, where others were: they may be tried again, under a key of their own
    unpaid: frozenset[int] = frozenset()
    #: the request of another order that has the key, if it was taken
    holder: UUID | None = None


def standing(rt: Runtime, account: str, key: str, ids: Sequence[UUID]) -> RepeatedOrder:
    """Return how the order stands that has this idempotency key, and a request id of these for each time it is tried.

    What was refused whole, or nobody paid for, may be tried again: under the next id. Where it may be handed over, its
    key is reserved for that id: another order under the same key hears that it came second, though neither was read.
    """
    with rt.begin() as conn:
        known = requests.known(conn, ids)
        following = next((each for each in ids if each not in known), ids[-1])
        holder = key_reservations.claim(conn, account, key, following)
        if requests.known(conn, [holder]) and _is_void(conn, holder):
            holder = key_reservations.claim(conn, account, key, following, instead=holder)
        is_taken = bool(requests.known(conn, [holder]))
        if holder not in ids:
            return RepeatedOrder(None, holder=holder if is_taken else None)
        return RepeatedOrder(holder, is_taken, _unpaid_places(conn, holder) if is_taken else frozenset())


def _is_void(conn: Connection, request: UUID) -> bool:
    return bool(requests.unpaid(conn, [request]) or requests.vacant(conn, [request]))


def _unpaid_places(conn: Connection, request: UUID) -> frozenset[int]:
    answer, _ = requests.answers(conn, [request])[request]
    places = {id_: place for place, id_ in enumerate(answer.messages) if id_}
    unpaid = key_reservations.unpaid_messages(conn, request, max(places)) if places else ()
    return frozenset(places[id_] for id_ in unpaid)


def give_up(rt: Runtime, account: str, key: str, request: UUID) -> None:
    """Free the key of an order that could not be handed over."""
    with rt.begin() as conn:
        key_reservations.give_up(conn, account, key, request)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The request that was taken under an idempotency key."""

    request: UUID
    #: whether it asks for something else than the order that is about to be handed over, as that is spelt
    is_another: bool


def holder(rt: Runtime, order: Order) -> KeyHolder | None:
    """Return the request that has an order's idempotency key; None: none has, or it may be tried again."""
    key = (order.account, order.door or idempotency.ORDERS, order.idempotency_key)
    with rt.read_only() as conn:
        found = responses.holders(conn, [key]).get(key)
        if found is None or _is_void(conn, found):
            return None
        _, asked = requests.answers(conn, [found]).get(found, (None, None))
    return KeyHolder(found, is_another=asked is not None and asked != fingerprint(order))


def is_alike(rt: Runtime, admission: Admission, request: UUID, *, at_any_time: bool = False) -> bool:
    """Tell whether an order, judged, asks for the messages that a request wrote, however it is spelt."""
    with rt.read_only() as conn:
        return bool(replays.alike(conn, {admission.request: (admission, request)}, at_any_time=at_any_time))


def in_conflict(rt: Runtime, wanted: Iterable[UUID]) -> list[UUID]:
    """Return those of these requests that met another order under their key or id."""
    with rt.read_only() as conn:
        return requests.in_conflict(conn, wanted)
