"""Repeated orders of our own commands: what became of an order when it was published before under its key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.rules.api import idempotency
from pipeline.rules.api.idempotency import fingerprint
from pipeline.runtime import Connection, Runtime
from pipeline.store import idempotency_reservations, idempotent_replays, requests
from pipeline.store.api import responses
from schema.message import Admission
from schema.order import Order


@dataclass(frozen=True, slots=True)
class RepeatedOrder:
    """State of an order that may have been published before."""

    #: the request id to publish it with; None: another order has its idempotency key
    request: UUID | None
    #: whether it was ingested: it need not be published again
    is_taken: bool = False
    #: indexes of the recipients that were not paid for, if others were: they may be retried under a key of their own
    unpaid: frozenset[int] = frozenset()
    #: the request of another order that has the key, if it was ingested
    holder: UUID | None = None


def state_of(rt: Runtime, account: str, key: str, ids: Sequence[UUID]) -> RepeatedOrder:
    """Return the state of the order with this idempotency key; `ids` are its request ids, one for each try.

    An order that was refused entirely, or not paid for, may be retried: under the next id. If it may be published, its
    key is reserved for that id: another order under the same key is refused, even before either was ingested.
    """
    with rt.begin() as conn:
        known = requests.known(conn, ids)
        following = next((each for each in ids if each not in known), ids[-1])
        holder = idempotency_reservations.claim(conn, account, key, following)
        if requests.known(conn, [holder]) and _is_void(conn, holder):
            holder = idempotency_reservations.claim(conn, account, key, following, instead=holder)
        is_taken = bool(requests.known(conn, [holder]))
        if holder not in ids:
            return RepeatedOrder(None, holder=holder if is_taken else None)
        return RepeatedOrder(holder, is_taken, _unpaid_places(conn, holder) if is_taken else frozenset())


def _is_void(conn: Connection, request: UUID) -> bool:
    return bool(requests.unpaid(conn, [request]) or requests.vacant(conn, [request]))


def _unpaid_places(conn: Connection, request: UUID) -> frozenset[int]:
    answer, _ = requests.answers(conn, [request])[request]
    places = {id_: place for place, id_ in enumerate(answer.messages) if id_}
    unpaid = idempotency_reservations.unpaid_messages(conn, request, max(places)) if places else ()
    return frozenset(places[id_] for id_ in unpaid)


def give_up(rt: Runtime, account: str, key: str, request: UUID) -> None:
    """Release the idempotency key of an order that could not be published."""
    with rt.begin() as conn:
        idempotency_reservations.give_up(conn, account, key, request)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The request that was ingested under an idempotency key."""

    request: UUID
    #: whether its fingerprint differs from that of the order to be published
    is_another: bool


def holder(rt: Runtime, order: Order) -> KeyHolder | None:
    """Return the request that has an order's idempotency key; None: none has, or the order may be retried."""
    key = (order.account, order.door or idempotency.ORDERS, order.idempotency_key)
    with rt.read_only() as conn:
        found = responses.holders(conn, [key]).get(key)
        if found is None or _is_void(conn, found):
            return None
        _, asked = requests.answers(conn, [found]).get(found, (None, None))
    return KeyHolder(found, is_another=asked is not None and asked != fingerprint(order))


def is_alike(rt: Runtime, admission: Admission, request: UUID, *, at_any_time: bool = False) -> bool:
    """Return whether an admission asks for the same messages that a request wrote, however it is spelt."""
    with rt.read_only() as conn:
        return bool(idempotent_replays.alike(conn, {admission.request: (admission, request)}, at_any_time=at_any_time))


def in_conflict(rt: Runtime, wanted: Iterable[UUID]) -> list[UUID]:
    """Return those of these requests that conflicted with another order under their key or id."""
    with rt.read_only() as conn:
        return requests.in_conflict(conn, wanted)
