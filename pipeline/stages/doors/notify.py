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
from pipeline.rules import ids, retries, retry_after
from pipeline.runtime import Runtime
from pipeline.store.doors import deliveries, endpoints, number_news
from schema.door import NumberTold, Told
from schema.value_class import value_class
from schema.vocabulary import Code, DeliveryState, Dialect, Encoding, NumberMove, Status

#: seconds a claimed call is its maker's: longer than any may take, and what writing it down may
LEASE = 60.0
#: hours for which the secret before the last rotation is still good
OVERLAP = 24.0
#: the HTTP statuses with which a receiver may say when to call again (RFC 6585, 4; RFC 9110, 15.6.4)
_BUSY = frozenset({429, 503})
#: what one listing holds at most
LISTED = 200


@value_class
class Errand:
    """One call to make."""

    told: Told | NumberTold
    url: str
    #: the newest first; empty: they cannot be read
    secrets: tuple[bytes, ...]
    #: calls of one lane share a window
    lane: UUID


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a look for work brought."""

    errands: list[Errand]
    #: there may be more at once
    is_more: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one errand."""

    errand: Errand
    #: an HTTP status, or a word
    answer: str
    #: it was answered as it should be, or there was nothing to say
    heard: bool
    #: whether the receiver was called at all
    called: bool = True
    #: the receiver wants no more calls
    gone: bool = False
    #: seconds to wait before the second, third, … try
    schedule: tuple[float, ...] = ()
    #: seconds for which the receiver asked not to be called
    asked: float = 0.0


def claim(rt: Runtime, rooms: Mapping[UUID, int], most: int) -> Claimed:
    """Take calls that are due, up to so many, of each lane as many as it has room (not named: a whole window)."""
    with rt.begin() as conn:
        taken = deliveries.claim(conn, rooms, rt.settings.webhook_lane, most, LEASE)
        rows = deliveries.load(conn, taken.own, OVERLAP)
        numbers = number_news.load(conn, taken.numbers, OVERLAP)
        found = {row["id"] for row in [*rows, *numbers]}
        deliveries.abandon(conn, sorted({*taken.own, *taken.numbers} - found))
    errands = [_errand(rt, row, _telling(row)) for row in rows]
    errands += [_errand(rt, row, _number_telling(row)) for row in numbers]
    return Claimed(errands, bool(taken.own or taken.numbers or taken.put_off))


def record(rt: Runtime, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Write what came of errands; return the endpoints that were suspended for it."""
    told = [_told(each) for each in outcomes]
    called = [each for each in outcomes if each.called and each.errand.told.endpoint]
    well = {each.errand.lane for each in called if each.heard}
    ill = {each.errand.lane for each in called if not each.heard}
    gone = {each.errand.lane for each in called if each.gone}
    with rt.begin() as conn:
        deliveries.record(conn, told)
        return endpoints.judge(conn, well, ill, gone, rt.settings.webhook_failing_days)


def asked_to_wait(rt: Runtime, status: int, headers: Mapping[str, str], schedule: Sequence[float]) -> float:
    """Return the seconds for which an answer asks for no more calls, the last step of the schedule at most; 0: none."""
    if status not in _BUSY or not schedule:
        return 0.0
    asked = retry_after.seconds(headers.get("Retry-After", ""), headers.get("Date", ""), rt.now()) or 0.0
    return min(max(asked, 0.0), schedule[-1])


def give_back(rt: Runtime, errands: Sequence[Errand]) -> None:
    """Leave errands that were not run to whoever looks next."""
    with rt.begin() as conn:
        deliveries.give_back(conn, [(each.told.delivery, each.told.attempt) for each in errands])


def _told(outcome: Outcome) -> deliveries.Told:
    told, wait = outcome.errand.told, None
    if not outcome.heard and not (outcome.gone and told.endpoint is None):
        wait = retries.again(outcome.schedule, told.attempt, random.random(), outcome.asked)
        if outcome.gone and wait is None:  # it waits until somebody resumes its endpoint
            wait = 0.0
    return deliveries.Told(told.delivery, told.attempt, outcome.answer, outcome.heard, wait)


def _errand(rt: Runtime, row: Mapping[str, Any], told: Told | NumberTold) -> Errand:
    own = [(row["sealed"], "endpoint"), (row["sealed_before"], "endpoint")] if row["sealed"] else []
    sealed = own or [(row["key_sealed"], "key")]
    try:
        opened = tuple(rt.vault.open(purpose, secret) for secret, purpose in sealed if secret)
    except ConfigurationError:  # another POSTROAD_SECRET_KEY, or none: nothing can be signed
        opened = ()
    return Errand(told, row["url"], opened, row["lane"])


def _telling(row: Mapping[str, Any]) -> Told:
    return Told(
        delivery=row["id"],
        event=row["event_id"],
        endpoint=row["endpoint_id"],
        dialect=Dialect(row["dialect"]),
        hears=frozenset(row["events"] or ()),
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


def _number_telling(row: Mapping[str, Any]) -> NumberTold:
    return NumberTold(
        delivery=row["id"],
        event=row["event_id"],
        endpoint=row["endpoint_id"],
        dialect=Dialect(row["dialect"]),
        hears=frozenset(row["events"]),
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
        return deliveries.replay(conn, account, wanted)


def replay_since(
    rt: Runtime, account: int | None, endpoint: UUID, since: datetime, *, only_dead: bool = False
) -> int | None:
    """Make an endpoint's calls again that ended since then; return how many, or None: the account has no such."""
    with rt.begin() as conn:
        if endpoints.find(conn, account, endpoint) is None:
            return None
        return deliveries.replay_since(conn, endpoint, since, only_dead=only_dead)


def list_calls(
    rt: Runtime,
    *,
    endpoint: UUID | None = None,
    message: UUID | None = None,
    state: DeliveryState | None = None,
    most: int = LISTED,
) -> list[deliveries.Row]:
    """Return calls, the latest news first: of an endpoint, about a message, in a state."""
    with rt.begin() as conn:
        return deliveries.listing(conn, endpoint=endpoint, message=message, state=state and str(state), most=most)
