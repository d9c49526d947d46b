"""Notify: give out the calls of customers' webhooks that are due, and keep what came of them.

A call is claimed (committed, with a lease), made by whoever claimed it, and recorded; a call whose maker died is made
again under the same event's id.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.errors import ConfigurationError
from pipeline.rules.identity import ids
from pipeline.rules.routing import retries, retry_after
from pipeline.runtime import Runtime
from pipeline.store.api import person_events, webhook_deliveries, webhook_endpoints
from schema.api import MessageEvent, PersonEvent
from schema.value_class import value_class
from schema.vocabulary import Code, DeliveryState, Encoding, NumberMove, Status

#: seconds a claimed call is its maker's: longer than any may take, and what writing it down may
LEASE = 60.0
#: hours for which the secret before the last rotation is still good
OVERLAP = 24.0
#: the HTTP statuses with which a receiver may say when to call again (RFC 6585, 4; RFC 9110, 15.6.4)
_BUSY = frozenset({429, 503})
#: what one listing holds at most
LISTED = 200


@value_class
class DeliveryJob:
    """One call to make."""

    notification: MessageEvent | PersonEvent
    url: str
    #: the newest first; empty: they cannot be read
    secrets: tuple[bytes, ...]
    #: calls of one lane share a window
    channel: UUID


@dataclass(frozen=True, slots=True)
class ClaimedDeliveries:
    """What a look for work brought."""

    jobs: list[DeliveryJob]
    #: there may be more at once
    is_more: bool


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What came of one errand."""

    job: DeliveryJob
    #: an HTTP status, or a word
    answer: str
    #: it was answered as it should be, or there was nothing to say
    accepted: bool
    #: whether the receiver was called at all
    called: bool = True
    #: the receiver wants no more calls
    gone: bool = False
    #: seconds to wait before the second, third, … try
    schedule: tuple[float, ...] = ()
    #: seconds for which the receiver asked not to be called
    asked: float = 0.0


def claim(rt: Runtime, rooms: Mapping[UUID, int], most: int) -> ClaimedDeliveries:
    """Take calls that are due, up to so many, of each lane as many as it has room (not named: a whole window)."""
    with rt.begin() as conn:
        taken = webhook_deliveries.claim(conn, rooms, rt.settings.webhook_lane, most, LEASE)
        rows = webhook_deliveries.load(conn, taken.own, OVERLAP)
        numbers = person_events.load(conn, taken.numbers, OVERLAP)
        found = {row["id"] for row in [*rows, *numbers]}
        webhook_deliveries.abandon(conn, sorted({*taken.own, *taken.numbers} - found))
    jobs = [_job(rt, row, _telling(row)) for row in rows]
    jobs += [_job(rt, row, _number_telling(row)) for row in numbers]
    return ClaimedDeliveries(jobs, bool(taken.own or taken.numbers or taken.put_off))


def record(rt: Runtime, outcomes: Sequence[CallOutcome]) -> set[UUID]:
    """Write what came of errands; return the endpoints that were suspended for it."""
    notification = [_notification(each) for each in outcomes]
    called = [each for each in outcomes if each.called and each.job.notification.endpoint]
    well = {each.job.channel for each in called if each.accepted}
    ill = {each.job.channel for each in called if not each.accepted}
    gone = {each.job.channel for each in called if each.gone}
    with rt.begin() as conn:
        webhook_deliveries.record(conn, notification)
        return webhook_endpoints.judge(conn, well, ill, gone, rt.settings.webhook_failing_days)


def asked_to_wait(rt: Runtime, status: int, headers: Mapping[str, str], schedule: Sequence[float]) -> float:
    """Return the seconds for which an answer asks for no more calls, the last step of the schedule at most; 0: none."""
    if status not in _BUSY or not schedule:
        return 0.0
    asked = retry_after.seconds(headers.get("Retry-After", ""), headers.get("Date", ""), rt.now()) or 0.0
    return min(max(asked, 0.0), schedule[-1])


def give_back(rt: Runtime, jobs: Sequence[DeliveryJob]) -> None:
    """Leave errands that were not run to whoever looks next."""
    with rt.begin() as conn:
        webhook_deliveries.give_back(conn, [(each.notification.delivery, each.notification.attempt) for each in jobs])


def _notification(outcome: CallOutcome) -> webhook_deliveries.DeliveryResult:
    notification, wait = outcome.job.notification, None
    if not outcome.accepted and not (outcome.gone and notification.endpoint is None):
        wait = retries.again(outcome.schedule, notification.attempt, random.random(), outcome.asked)
        if outcome.gone and wait is None:  # it waits until somebody resumes its endpoint
            wait = 0.0
    return webhook_deliveries.DeliveryResult(
        notification.delivery, notification.attempt, outcome.answer, outcome.accepted, wait
    )


def _job(rt: Runtime, row: Mapping[str, Any], notification: MessageEvent | PersonEvent) -> DeliveryJob:
    own = [(row["sealed"], "endpoint"), (row["sealed_before"], "endpoint")] if row["sealed"] else []
    sealed = own or [(row["key_sealed"], "key")]
    try:
        opened = tuple(rt.vault.open(purpose, secret) for secret, purpose in sealed if secret)
    except ConfigurationError:  # another POSTROAD_SECRET_KEY, or none: nothing can be signed
        opened = ()
    return DeliveryJob(notification, row["url"], opened, row["lane"])


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


# Again, and what there is --------------------------------------------------------------------------------------


def replay(rt: Runtime, account: int | None, wanted: Sequence[UUID]) -> int:
    """Make calls again that are done, named by their own ids or their messages'; return how many.

    `account` (None: anybody) is whose they must be.
    """
    with rt.begin() as conn:
        return webhook_deliveries.replay(conn, account, wanted)


def replay_since(
    rt: Runtime, account: int | None, endpoint: UUID, since: datetime, *, only_dead: bool = False
) -> int | None:
    """Make an endpoint's calls again that ended since then; return how many, or None: the account has no such."""
    with rt.begin() as conn:
        if webhook_endpoints.find(conn, account, endpoint) is None:
            return None
        return webhook_deliveries.replay_since(conn, endpoint, since, only_dead=only_dead)


def list_calls(
    rt: Runtime,
    *,
    endpoint: UUID | None = None,
    message: UUID | None = None,
    state: DeliveryState | None = None,
    most: int = LISTED,
) -> list[webhook_deliveries.Row]:
    """Return calls, the latest news first: of an endpoint, about a message, in a state."""
    with rt.begin() as conn:
        return webhook_deliveries.listing(
            conn, endpoint=endpoint, message=message, state=state and str(state), most=most
        )
