"""Scripted carriers without a network, and a world whose time can be advanced."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pipeline.stages.deliver import deliver
from pipeline.stages.resend import ResendResult, query_carrier, resend_due
from pipeline.stages.settle import settle_on_arrival
from pipeline.stages.sweep import sweep
from pipeline.store import carriers
from schema.carriage import Attempt, Parcel, Receipt
from schema.vocabulary import Outcome, ReceiptVerdict, UnknownAbility
from tests.world import World, message_ids

KIND = "scripted"


@dataclass
class Line:
    """One carrier: its next outcomes, and the messages it was given."""

    name: str
    #: outcomes of the next parcels; then it accepts
    answers: list[Outcome] = field(default_factory=list)
    #: retry_after of temporary refusals, in seconds
    retry_after: float | None = None
    #: its answer to status queries
    says: Outcome = Outcome.UNKNOWN
    #: the number of parts of each message
    parts: int = 0
    #: called during each submit
    meanwhile: Callable[[], object] = lambda: None
    given: list[UUID] = field(default_factory=list)
    asked: list[UUID] = field(default_factory=list)

    def take(self, parcel: Parcel) -> Attempt:
        """Return the attempt of one parcel; the reference of a message is always the same."""
        self.given.append(parcel.ref)
        self.meanwhile()
        outcome = self.answers.pop(0) if self.answers else Outcome.ACCEPTED
        if outcome is not Outcome.ACCEPTED:
            later = self.retry_after if outcome is Outcome.REFUSED_TRANSIENT else None
            return Attempt(parcel.ref, outcome, code="x", retry_after=later)
        refs = tuple(f"{self.name}-{parcel.ref}-{part}" for part in range(1, self.parts + 1))
        return Attempt(parcel.ref, outcome, refs[0] if refs else f"{self.name}-{parcel.ref}", parts=refs)


class Scripted:
    """The carrier as the product uses it."""

    def __init__(self, lines: Mapping[str, Line], name: str, settings: Mapping[str, Any]) -> None:
        self.name, self.call_deadline, self._line = name, 1.0, lines[name]
        self.unknown_ability, self.dedupe_seconds = (
            UnknownAbility(settings.get("doubt", "blind")),
            float(settings.get("window", 0)),
        )

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        return [self._line.take(parcel) for parcel in parcels]

    def query(self, parcels: Sequence[Parcel], carrier_refs: Sequence[str | None]) -> list[Attempt]:
        assert len(parcels) == len(carrier_refs)
        self._line.asked += [each.ref for each in parcels]
        says = self._line.says
        ref = f"{self.name}-" if says is Outcome.ACCEPTED else None
        return [Attempt(each.ref, says, ref and ref + str(each.ref)) for each in parcels]

    def close(self) -> None:
        pass


#: a message's own status (None while it has none), its money, and its error code
Standing = tuple[str | None, str | None, str | None]


class Stage:
    """A world with scripted carriers only, tried in the order in which they were added."""

    def __init__(self, world: World, lines: dict[str, Line]) -> None:
        self.world, self.rt, self.lines = world, world.rt, lines
        world.run("DELETE FROM routes")
        self.passes(0)
        self._keys = 0
        #: attempts that `go_on` saw, with their times
        self.history: list[str] = []

    def set(self, **settings: Any) -> None:
        """Change settings of the runtime."""
        self.rt.settings = self.rt.settings.model_copy(update=settings)

    def carrier(
        self, name: str, *answers: Outcome, doubt: str = "blind", window: float = 0, cost: int | None = None
    ) -> Line:
        """Add a carrier with a lower priority than existing ones."""
        line = self.lines[name] = Line(name, list(answers))
        with self.rt.begin() as conn:
            carriers.save(conn, name, KIND, {"doubt": doubt, "window": window})
            version = carriers.RouteVersion(rank=len(self.lines), cost=cost, currency="EUR" if cost else None)
            carriers.set_route(conn, "*", name, version)
        return line

    def send(self, *numbers: str, kind: str = "transactional", hours: float = 80, **fields: Any) -> list[UUID]:
        """Send messages that are valid for `hours` hours; return their ids."""
        valid = self.world.rows("SELECT now() + %(hours)s * interval '1 hour'", hours=hours)[0]
        return message_ids(self.world.send(*numbers, message_class=kind, valid_until=valid, **fields))

    def passes(self, seconds: float) -> None:
        """Advance time by moving all stored times back; close all circuit breakers."""
        assert self.rt.valkey is not None
        for key in self.rt.valkey.scan_iter("postroad:health*", count=1000):
            self.rt.valkey.delete(key)
        for table, columns in _TIMES.items():
            moved = ", ".join(f"{each} = {each} - %(seconds)s * interval '1 second'" for each in columns)
            self.world.run(f"UPDATE {table} SET {moved}", seconds=seconds)

    def turn(self) -> ResendResult:
        """Run one pass of resending, and deliver its batches."""
        found = resend_due(self.rt)
        self.carry(found.hints)
        for name, messages in found.asks.items():
            query_carrier(self.rt, name, messages)
        return found

    def carry(self, hints: Sequence[Any]) -> None:
        """Deliver batches, those of each carrier together."""
        while hints:
            for name in {hint.carrier for hint in hints}:
                now = [hint.batch for hint in hints if hint.carrier == name]
                hints = [hint for hint in hints if hint.carrier != name] + deliver(self.rt, now)

    def go_on(self, *moments: float) -> None:
        """Run a pass at each of these seconds from now (time spent in the test counts) and record the attempts."""
        began, moved = time.monotonic(), 0.0
        for moment in moments:
            now = time.monotonic() - began + moved
            self.passes(max(moment - now, 0))
            moved += max(moment - now, 0)
            before = len(self.tried())
            self.turn()
            self.carry(sweep(self.rt).queued)
            self.history += [f"{moment}: {carrier} {outcome}" for carrier, outcome in self.tried()[before:]]

    def report(
        self,
        message: UUID,
        carrier: str,
        verdict: ReceiptVerdict = ReceiptVerdict.DELIVERED,
        *,
        retryable: bool = False,
        part: int | None = None,
        key: str | None = None,
        by_us: bool = False,
    ) -> Receipt:
        """Return a carrier's receipt for a message."""
        self._keys += 1
        ref = f"{carrier}-{message}" + (f"-{part}" if part else "")
        return Receipt(
            carrier=carrier,
            key=key or str(self._keys),
            verdict=verdict,
            carrier_ref=None if by_us else ref,
            ref=message if by_us else None,
            code="1",
            at=None,
            raw="{}",
            retryable=retryable,
        )

    def receive(self, *args: Any, **named: Any) -> int:
        """Apply one receipt; return how many were new."""
        return settle_on_arrival(self.rt, [self.report(*args, **named)])

    def tried(self) -> list[tuple[str, str]]:
        """Return all attempts in order."""
        return list(self.world.rows("SELECT carrier, outcome FROM provider_attempts ORDER BY n, message_id"))

    def stands(self) -> list[Standing]:
        """Return (status or None, money, error code) of the messages, ordered by id."""
        return list(self.world.rows("SELECT status, money, error_code FROM messages ORDER BY id"))


_TIMES = {
    "dead_letter_counts": ("last_at",),
    "provider_attempts": ["marked_at", "recorded_at", "late_at", "check_at", "resolved_at"],
    "batches": [
        *("send_at", "due_at", "valid_until", "marked_at", "lease_until", "hinted_at", "created_at"),
        *("queued_at", "done_at", "watch_at"),
    ],
    "receipts": ["due_at", "received_at", "applied_at"],
    "parts": ["created_at"],
    "messages": ["sent_at"],
}
