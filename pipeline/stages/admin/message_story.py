"""A message with all that happened to it: batches, attempts, receipts, webhook calls, and their order in time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.errors import NotFound
from pipeline.rules.identity import ids
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.runtime import Runtime
from pipeline.store import audit_log, operator_reports
from pipeline.store.api import webhook_deliveries
from schema.vocabulary import Status

Row = dict[str, Any]

#: webhook deliveries shown of one message
_DELIVERIES = 50


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """Something that happened to a message, or will."""

    at: datetime
    what: str
    #: a carrier's or our code for it; "": none
    code: str = ""


@dataclass(frozen=True, slots=True)
class MessageStory:
    """A message with everything that happened to it."""

    message: Row
    attempts: list[Row]
    receipts: list[Row]
    batches: list[Row]
    deliveries: list[Row]
    #: in order of time
    events: list[StoryEvent]

    @property
    def accepted_at(self) -> datetime:
        """Return when the message was accepted."""
        return ids.moment(self.message["id"])

    @property
    def masked_phone(self) -> str:
        """Return the number with most of its digits hidden."""
        return masked_number(self.message["phone"])

    @property
    def may_be_cancelled(self) -> bool:
        """Return whether its batch has not been queued yet."""
        return bool(self.message["status"] == Status.SCHEDULED)


def story_of(rt: Runtime, wanted: UUID, account: str | None) -> MessageStory:
    """Return the story of a message of an account (None: of any); NotFound."""
    with rt.begin() as conn:
        message = operator_reports.message(conn, wanted, account)
        if message is None:
            raise NotFound(f"no message has the id {wanted}")
        attempts = operator_reports.attempts(conn, wanted)
        passed = {each["batch_id"] for each in attempts} | {message["batch_id"]}
        receipts = operator_reports.receipts(conn, wanted)
        batches = operator_reports.batches(conn, sorted(passed))
        deliveries = webhook_deliveries.listing(conn, endpoint=None, message=wanted, state=None, most=_DELIVERIES)
    events = sorted(_events(message, attempts, receipts, batches, deliveries), key=lambda each: each.at)
    return MessageStory(message, attempts, receipts, batches, deliveries, events)


def note_revealed(rt: Runtime, story: MessageStory) -> None:
    """Enter in the audit log that number and text of a message were looked at."""
    with rt.begin() as conn:
        message = story.message
        audit_log.note(
            conn, "messages", str(message["id"]), "reveal", {"phone": story.masked_phone}, message["account_id"]
        )


def _events(
    message: Row, attempts: list[Row], receipts: list[Row], batches: list[Row], deliveries: list[Row]
) -> Iterator[StoryEvent]:
    yield from _batch_events(batches)
    for each in attempts:
        resent = f", resent: {each['again']}" if each["again"] else ""
        yield from _at(each["marked_at"], f"Attempt {each['n']}: handed to {each['carrier']}{resent}")
        yield from _at(each["recorded_at"], f"Attempt {each['n']}: {_words(each['outcome'])}", each["code"])
        yield from _at(each["late_at"], f"Attempt {each['n']}, late response: {_words(each['late_outcome'])}")
    for each in receipts:
        yield from _at(each["received_at"], f"Receipt of {each['carrier']}: {_words(each['verdict'])}", each["code"])
    for each in deliveries:
        calls = "call" if each["tries"] == 1 else "calls"
        yield from _at(
            each["done_at"],
            f"Webhook “{each['status']}”: {each['state']} after {each['tries']} {calls}",
            each["answer"],
        )
    yield from _at(message["final_at"], _words(message["status"]).capitalize(), message["error_code"])
    if message["status"] == Status.SCHEDULED:
        yield from _at(message["send_at"], "Due")


def _batch_events(batches: list[Row]) -> Iterator[StoryEvent]:
    for each in batches:
        is_first = each["attempt"] == 1 and each["round"] == 0
        begun = "Accepted" if is_first else f"Passed on to {each['carrier']}, round {each['round'] + 1}"
        yield from _at(each["created_at"], begun)
        yield from _at(each["queued_at"], f"Queued for {each['carrier']}")


def _at(at: datetime | None, what: str, code: str | None = None) -> Iterator[StoryEvent]:
    if at is not None:
        yield StoryEvent(at, what, code or "")


def _words(word: object) -> str:
    return str(word).replace("_", " ")
