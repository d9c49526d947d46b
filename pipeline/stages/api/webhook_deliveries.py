"""Webhook deliveries: claim the calls of customers' endpoints that are due, record their outcomes, and replay them.

A delivery is claimed (committed, with a lease), called by the process that claimed it, and recorded; if that process
died, the call is made again with the same event id.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.errors import ConfigurationError
from pipeline.rules.identity import ids
from pipeline.rules.routing import retry_after, retry_delays
from pipeline.runtime import Connection, Runtime
from pipeline.store import audit_log
from pipeline.store.api import campaign_events, inbound_events, person_events, webhook_deliveries, webhook_endpoints
from schema.api import CampaignEvent, InboundEvent, MessageEvent, PersonEvent
from schema.value_class import value_class
from schema.vocabulary import (
    CampaignState,
    Code,
    DeliveryState,
    Encoding,
    InboundAction,
    NumberMove,
    PauseCause,
    Status,
)

Notification = MessageEvent | PersonEvent | InboundEvent | CampaignEvent

#: lease of a claimed delivery in seconds: longer than any call and its recording take
LEASE = 60.0
#: hours for which the previous secret of an endpoint is still used after a rotation
OVERLAP = 24.0
#: HTTP statuses whose Retry-After is respected (RFC 6585, 4; RFC 9110, 15.6.4)
_BUSY = frozenset({429, 503})
#: maximum number of deliveries in a list
LISTED = 200


@value_class
class DeliveryJob:
    """One webhook call to make."""

    notification: Notification
    url: str
    #: signing secrets, the newest first; empty: they cannot be decrypted
    secrets: tuple[bytes, ...]
    #: calls with the same key share a window of concurrent calls: those of an endpoint, or an API key's callbacks
    concurrency_key: UUID


@dataclass(frozen=True, slots=True)
class ClaimedDeliveries:
    """Claimed deliveries, and whether more are due."""

    jobs: list[DeliveryJob]
    #: more may be due now
    is_more: bool


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """Outcome of one webhook call."""

    job: DeliveryJob
    #: an HTTP status, or a word for an error
    answer: str
    #: it was answered as the dialect demands, or the dialect has nothing to send
    accepted: bool
    #: whether a request was sent at all
    called: bool = True
    #: the receiver wants no more calls
    gone: bool = False
    #: seconds before the second, third, … attempt
    schedule: tuple[float, ...] = ()
    #: seconds of Retry-After; 0: none
    asked: float = 0.0


def claim(rt: Runtime, rooms: Mapping[UUID, int], most: int) -> ClaimedDeliveries:
    """Claim up to `most` due deliveries, of each concurrency key up to its room (not in `rooms`: a whole window)."""
    with rt.begin() as conn:
        taken = webhook_deliveries.claim(conn, rooms, rt.settings.webhook_lane, most, LEASE)
        rows = webhook_deliveries.load(conn, taken.own, OVERLAP)
        numbers = person_events.load(conn, taken.numbers, OVERLAP)
        inbound = inbound_events.load(conn, taken.inbound, OVERLAP)
        moved = campaign_events.load(conn, taken.campaigns, OVERLAP)
        claimed = {*taken.own, *taken.numbers, *taken.inbound, *taken.campaigns}
        found = {row["id"] for row in [*rows, *numbers, *inbound, *moved]}
        webhook_deliveries.abandon(conn, sorted(claimed - found))
    jobs = [_job(rt, row, _telling(row)) for row in rows]
    jobs += [_job(rt, row, _number_telling(row)) for row in numbers]
    jobs += [_job(rt, row, _inbound_telling(row)) for row in inbound]
    jobs += [_job(rt, row, _campaign_telling(row)) for row in moved]
    return ClaimedDeliveries(jobs, bool(claimed or taken.postponed))


def record(rt: Runtime, outcomes: Sequence[CallOutcome]) -> set[UUID]:
    """Record the outcomes of calls and schedule retries; return the endpoints that were suspended for failing."""
    notification = [_notification(each) for each in outcomes]
    called = [each for each in outcomes if each.called and each.job.notification.endpoint]
    well = {each.job.concurrency_key for each in called if each.accepted}
    ill = {each.job.concurrency_key for each in called if not each.accepted}
    gone = {each.job.concurrency_key for each in called if each.gone}
    with rt.begin() as conn:
        webhook_deliveries.record(conn, notification)
        return webhook_endpoints.record_health(conn, well, ill, gone, rt.settings.webhook_failing_days)


def asked_to_wait(rt: Runtime, status: int, headers: Mapping[str, str], schedule: Sequence[float]) -> float:
    """Return the seconds of a response's Retry-After, at most the last step of the schedule; 0: none."""
    if status not in _BUSY or not schedule:
        return 0.0
    asked = retry_after.seconds(headers.get("Retry-After", ""), headers.get("Date", ""), rt.now()) or 0.0
    return min(max(asked, 0.0), schedule[-1])


def give_back(rt: Runtime, jobs: Sequence[DeliveryJob]) -> None:
    """Release claimed deliveries that were not called, so that they are due again at once."""
    with rt.begin() as conn:
        webhook_deliveries.give_back(conn, [(each.notification.delivery, each.notification.attempt) for each in jobs])


def _notification(outcome: CallOutcome) -> webhook_deliveries.DeliveryResult:
    notification, wait = outcome.job.notification, None
    if not outcome.accepted and not (outcome.gone and notification.endpoint is None):
        wait = retry_delays.again(outcome.schedule, notification.attempt, random.random(), outcome.asked)
        if outcome.gone and wait is None:  # it waits until its endpoint is resumed
            wait = 0.0
    return webhook_deliveries.DeliveryResult(
        notification.delivery, notification.attempt, outcome.answer, outcome.accepted, wait
    )


def _job(rt: Runtime, row: Mapping[str, Any], notification: Notification) -> DeliveryJob:
    own = [(row["sealed"], "endpoint"), (row["sealed_previous"], "endpoint")] if row["sealed"] else []
    sealed = own or [(row["key_sealed"], "key")]
    try:
        opened = tuple(rt.vault.open(purpose, secret) for secret, purpose in sealed if secret)
    except ConfigurationError:  # POSTROAD_SECRET_KEY differs or is missing: nothing can be signed
        opened = ()
    return DeliveryJob(notification, row["url"], opened, row["concurrency_key"])


def _telling(row: Mapping[str, Any]) -> MessageEvent:
    return MessageEvent(
        delivery=row["id"],
        event=row["event_id"],
        endpoint=row["endpoint_id"],
        dialect=row["dialect"],
        listens_to=frozenset(row["events"] or ()),
        attempt=row["tries"],
        status=Status(row["status"]),
        at=row["at"],
        message=row["message_id"],
        request=row["request_id"],
        created_at=ids.moment(row["message_id"]),
        account=row["account"],
        handle=row["handle"],
        phone=row["phone"],
        country=row["country"],
        sender=row["sender"],
        body=row["body"],
        encoding=Encoding(row["encoding"]) if row["encoding"] else None,
        segments=row["segments"],
        amount=row["amount"] or 0,
        currency=row["currency"],
        quota=row["quota"] or 0,
        carrier=row["carrier"],
        carrier_ref=row["carrier_ref"],
        error_code=Code(row["error_code"]) if row["error_code"] else None,
        carrier_code=row["code"] if row["error_code"] else None,
        correlation_id=row["correlation_id"],
        test=row["test"],
        send_at=row["send_at"],
    )


def _number_telling(row: Mapping[str, Any]) -> PersonEvent:
    return PersonEvent(
        delivery=row["id"],
        event=row["event_id"],
        endpoint=row["endpoint_id"],
        dialect=row["dialect"],
        listens_to=frozenset(row["events"]),
        attempt=row["tries"],
        move=NumberMove(row["status"]),
        at=row["at"],
        person=row["person_id"],
        number=row["message_id"],
    )


def _inbound_telling(row: Mapping[str, Any]) -> InboundEvent:
    return InboundEvent(
        delivery=row["id"],
        event=row["event_id"],
        endpoint=row["endpoint_id"],
        dialect=row["dialect"],
        listens_to=frozenset(row["events"]),
        attempt=row["tries"],
        phone=row["phone"],
        sender=row["sender"],
        body=row["body"],
        action=InboundAction(row["action"]),
        carrier=row["carrier"],
        at=row["at"],
        received_at=row["received_at"],
        answered=row["campaign_id"],
    )


def _campaign_telling(row: Mapping[str, Any]) -> CampaignEvent:
    return CampaignEvent(
        delivery=row["id"],
        event=row["event_id"],
        endpoint=row["endpoint_id"],
        dialect=row["dialect"],
        listens_to=frozenset(row["events"]),
        attempt=row["tries"],
        at=row["at"],
        campaign=replace(row["campaign"], state=CampaignState(row["state"]), reason=row["reason"]),
        cause=PauseCause(row["cause"]) if row["cause"] else None,
        progress=row["progress"],
    )


# Replay and lists ----------------------------------------------------------------------------------------------


def replay(rt: Runtime, account: int | None, wanted: Sequence[UUID]) -> int:
    """Replay finished deliveries, given by their own ids or their messages'; return how many.

    Only those of `account` (None: of all) are replayed.
    """
    with rt.begin() as conn:
        replayed = webhook_deliveries.replay(conn, account, wanted)
        _note(conn, account, "*", replayed)
        return replayed


def replay_since(
    rt: Runtime, account: int | None, endpoint: UUID, since: datetime, *, only_dead: bool = False
) -> int | None:
    """Replay an endpoint's deliveries that ended since then; return how many, or None: no such endpoint."""
    with rt.begin() as conn:
        if webhook_endpoints.find(conn, account, endpoint) is None:
            return None
        replayed = webhook_deliveries.replay_since(conn, endpoint, since, only_dead=only_dead)
        _note(conn, account, str(endpoint), replayed)
        return replayed


def _note(conn: Connection, account: int | None, endpoint: str, replayed: int) -> None:
    if replayed:
        audit_log.note(conn, "webhook_deliveries", endpoint, "replay", {"replayed": replayed}, account)


def list_calls(
    rt: Runtime,
    *,
    endpoint: UUID | None = None,
    message: UUID | None = None,
    state: DeliveryState | None = None,
    most: int = LISTED,
) -> list[webhook_deliveries.Row]:
    """Return deliveries, those of the latest events first; filtered by endpoint, message and state."""
    with rt.begin() as conn:
        return webhook_deliveries.listing(
            conn, endpoint=endpoint, message=message, state=state and str(state), most=most
        )
