"""Repeated orders of our own commands: what became of an order when it was published before under its key."""

from dataclasses import dataclass
from uuid import UUID

from pipeline.rules.api import idempotency
from pipeline.rules.api.idempotency import fingerprint
from pipeline.runtime import Connection, Runtime
from pipeline.store import idempotent_replays, requests
from pipeline.store.api import responses
from schema.message import Admission
from schema.order import Order


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


def _is_void(conn: Connection, request: UUID) -> bool:
    return bool(requests.unpaid(conn, [request]) or requests.vacant(conn, [request]))
