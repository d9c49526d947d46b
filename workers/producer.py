"""Enqueue orders from any Python process. The distribution `postroad-client` has this module and those it imports."""

import os
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from celery import Celery

from schema.message_class import MessageClass
from schema.order import Order


def submit(order: Order, *, request: UUID | None = None, app: Celery | None = None, key: str | None = None) -> UUID:
    """Enqueue an order; return its request id, for `postroad show` and webhooks.

    The same request id twice is one request. With a producer key of its account (`postroad producer create`;
    POSTROAD_PRODUCER_KEY unless given, "" for none) the order is encrypted and cannot be read in the broker.

    Raises ValueError when the key is invalid, and kombu.exceptions.OperationalError while the broker is unreachable:
    the order was not accepted then, so submit it again (under the same request id, if you are not sure).
    """
    now = datetime.now(UTC)
    if order.submitted_at is None:
        order = order.model_copy(update={"submitted_at": now})
    id_ = request or _uuid7(now)
    (app or producer()).send_task(
        "sms.ingest",
        (_payload(order, str(id_), os.environ.get("POSTROAD_PRODUCER_KEY") if key is None else key),),
        task_id=str(id_),
        queue="otp" if order.message_class is MessageClass.OTP else "ingest",
        argsrepr="(<an order>)",
    )
    return id_


def _payload(order: Order, task_id: str, key: str | None) -> dict[str, Any]:
    written = order.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not key:
        return written
    from schema.sealed_order import ProducerKey  # noqa: PLC0415 - only sealing needs cryptography

    return dict(ProducerKey.read(key).seal(task_id, written))


@lru_cache(maxsize=4)
def producer(broker_url: str | None = None) -> Celery:
    """Return a Celery app that only sends; the broker is BROKER_URL unless given."""
    url = broker_url or os.environ.get("POSTROAD_BROKER_URL") or os.environ.get("BROKER_URL")
    if not url:
        raise RuntimeError("set BROKER_URL, or pass producer(broker_url) as app")
    app = Celery("postroad-producer", broker=url, set_as_current=False)
    options: dict[str, Any] = {"socket_timeout": 15, "socket_connect_timeout": 5, "socket_keepalive": True}
    app.conf.update(
        broker_transport_options=options | {"global_keyprefix": "postroad:", "confirm_publish": True},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.4},
    )
    return app


def _uuid7(now: datetime) -> UUID:
    milliseconds = int(now.timestamp() * 1000)
    noise = int.from_bytes(os.urandom(10), "big")
    return UUID(int=milliseconds << 80 | 7 << 76 | (noise >> 64 & 0xFFF) << 64 | 0b10 << 62 | noise & (1 << 62) - 1)
