"""Conformance suite of all carriers. A carrier's tests subclass `Conformance` and provide a `rig`."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest

from pipeline.carriers.contract import STOPPED, Carrier, MaySubmit, NotingCarrier
from pipeline.carriers.simulator_script import ACCEPTED, ScriptedOutcome
from schema.carriage import Attempt, Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, Outcome

#: the deadline of a request in these tests, in seconds, long enough for a busy machine; and one that is to be exceeded
DEADLINE, SOON = 5.0, 0.5
#: the window in these tests: requests in flight
WINDOW = 20

EXPECTED = {
    ScriptedOutcome.ACCEPT: Outcome.ACCEPTED,
    ScriptedOutcome.SLOW: Outcome.ACCEPTED,
    ScriptedOutcome.REFUSE: Outcome.REFUSED_PERMANENT,
    ScriptedOutcome.REFUSE_TRANSIENT: Outcome.REFUSED_TRANSIENT,
    ScriptedOutcome.THROTTLE: Outcome.REFUSED_TRANSIENT,
    ScriptedOutcome.QUEUE_FULL: Outcome.REFUSED_TRANSIENT,
    ScriptedOutcome.NACK: Outcome.REFUSED_TRANSIENT,
    ScriptedOutcome.BAD_GATEWAY: Outcome.UNKNOWN,
    ScriptedOutcome.GATEWAY_TIMEOUT: Outcome.UNKNOWN,
    ScriptedOutcome.SILENT: Outcome.UNKNOWN,
    ScriptedOutcome.HALF_OPEN: Outcome.UNKNOWN,
    ScriptedOutcome.TRICKLE: Outcome.UNKNOWN,
    ScriptedOutcome.HANG_UP: Outcome.UNKNOWN,
    ScriptedOutcome.RESET: Outcome.UNKNOWN,
    ScriptedOutcome.DROP: Outcome.UNKNOWN,
    ScriptedOutcome.GARBAGE: Outcome.UNKNOWN,
}
#: last digits of a number → its scripted outcome
ENDINGS = {f"{1000 + n}": scripted for n, scripted in enumerate(ScriptedOutcome)}
#: scripted outcomes that only a deadline ends
ENDLESS = {ScriptedOutcome.SILENT, ScriptedOutcome.HALF_OPEN, ScriptedOutcome.TRICKLE}
BODIES = {
    "ascii": "Your code is 4711",
    "gsm": "Grüße für 5 €: [x]",
    "ucs2": "Ваш код 4711",
    "emoji": "👩‍👩‍👧 done 🎉",
    "quotes and lines": 'She said "no"\r\n\\o/\t\x00',
    "half an emoji": "broken \ud83d here",
    "empty": "",
    "long": "ж" * 1600,
}


class Rig(Protocol):
    """A carrier of one kind with its remote end, as the tests of that kind build it."""

    def carrier(self, script: dict[str, Any] | None = None, **settings: object) -> Carrier:
        """Return a carrier with DEADLINE and WINDOW, or other settings, whose remote end plays the script."""
        ...

    def away(self) -> Carrier:
        """Return a carrier whose remote end is not reachable."""
        ...

    def log(self) -> list[dict[str, Any]]:
        """Return the remote end's log."""
        ...

    def peak(self) -> int:
        """Return the most messages that the remote end had unanswered at a time."""
        ...

    def mark(self, given: Parcel) -> str:
        """Return what the remote end logs as `ref`: our reference, or the number if the protocol has no reference."""
        ...


def parcel(body: str = "hello", to: str = "+491701234567", **more: Any) -> Parcel:
    """Return a parcel."""
    fields = {"sender": "ACME", "encoding": Encoding.UCS2, "segments": 1, "message_class": MessageClass.TRANSACTIONAL}
    return Parcel(ref=uuid4(), to=to, body=body, **{**fields, **more})


def hurry(scripted: ScriptedOutcome) -> dict[str, float]:
    """Return the settings of a carrier that is to wait for this outcome."""
    return {"deadline": SOON} if scripted in ENDLESS else {}


def refs(found: list[Attempt] | list[Parcel]) -> list[UUID]:
    """Return the references, in order."""
    return [each.ref for each in found]


def marks(rig: Rig, parcels: list[Parcel]) -> list[str]:
    """Return what the remote end logs for the parcels; without `mark` these are our references."""
    mark = getattr(rig, "mark", lambda given: str(given.ref))
    return [mark(each) for each in parcels]


class Noted:
    """Records a carrier's calls of `SubmitNotes`."""

    def __init__(self, may_submit: MaySubmit | None = None) -> None:
        self.may_submit = may_submit
        self.is_ready = False
        #: places whose messages are in flight, and the most there were
        self.out: set[int] = set()
        self.peak = 0
        self.handed: Counter[int] = Counter()
        self.answers: dict[int, Attempt] = {}

    def ready(self) -> None:
        assert not self.is_ready
        assert not self.handed
        self.is_ready = True

    def submitting(self, place: int) -> None:
        assert self.is_ready
        self.handed[place] += place not in self.out
        self.out.add(place)
        self.peak = max(self.peak, len(self.out))

    def unsubmitted(self, place: int) -> None:
        self.out.remove(place)

    def answered(self, place: int, attempt: Attempt) -> None:
        self.out.discard(place)
        self.answers[place] = attempt


class Conformance:
    """The tests that every carrier must pass."""

    #: whether it reports each handover; a carrier without a remote end does not
    NOTES = True

    #: a scripted refusal, and the code that the attempt must have
    REFUSED = ("refuse:21", "21")
    REFUSED_FOR_NOW = ("refuse_transient:full", "full")

    def test_send_returns_one_attempt_for_each_parcel_in_the_same_order(self, rig: Rig) -> None:
        carrier = rig.carrier({"latency_ms": 5, "slow:0.05": 0.3})
        parcels = [parcel(to=f"+4917012{n:05}") for n in range(60)]

        attempts = carrier.send(parcels)

        assert refs(attempts) == refs(parcels)
        assert {attempt.outcome for attempt in attempts} == {Outcome.ACCEPTED}
        by_ref = {line["ref"]: line["carrier_id"] for line in rig.log()}
        assert [attempt.carrier_ref for attempt in attempts] == [by_ref[mark] for mark in marks(rig, parcels)]

    def test_sending_no_parcels_returns_no_attempts(self, rig: Rig) -> None:
        assert rig.carrier().send([]) == []

    @pytest.mark.parametrize("scripted", ScriptedOutcome)
    def test_each_scripted_outcome_of_the_carrier_gives_the_expected_outcome(
        self, rig: Rig, scripted: ScriptedOutcome
    ) -> None:
        word = "slow:0.1" if scripted is ScriptedOutcome.SLOW else scripted
        carrier = rig.carrier({word: 1}, **hurry(scripted))

        [attempt] = carrier.send([parcel()])

        assert attempt.outcome is EXPECTED[scripted]
        assert (attempt.carrier_ref is not None) == (attempt.outcome is Outcome.ACCEPTED)
        assert (attempt.code is None) == (attempt.outcome is Outcome.ACCEPTED)
        # throttled messages may be retried within the call
        [*earlier, line] = rig.log()
        assert (line["decision"].partition(":")[0], line["taken"]) == (scripted, scripted in ACCEPTED)
        assert scripted in (ScriptedOutcome.THROTTLE, ScriptedOutcome.QUEUE_FULL) or earlier == []

    def test_the_outcome_of_one_parcel_does_not_affect_the_others_of_its_call(self, rig: Rig) -> None:
        words = {
            ending: "slow:0.1" if scripted is ScriptedOutcome.SLOW else scripted.value
            for ending, scripted in ENDINGS.items()
        }
        carrier = rig.carrier({"numbers": words}, deadline=3 * SOON)
        parcels = [parcel(to=f"+49170555{ending}") for _ in range(5) for ending in ENDINGS]

        attempts = carrier.send(parcels)

        assert [attempt.outcome for attempt in attempts] == [EXPECTED[ENDINGS[each.to[-4:]]] for each in parcels]

    def test_a_refused_attempt_has_the_carrier_s_code_and_retry_after(self, rig: Rig) -> None:
        (refuse, code), (later, code_for_now) = self.REFUSED, self.REFUSED_FOR_NOW
        carrier = rig.carrier({"numbers": {"1": refuse, "2": later, "3": "throttle:7"}})

        attempts = carrier.send([parcel(to=f"+49170123456{n}") for n in (1, 2, 3)])

        assert [attempt.code for attempt in attempts] == [code, code_for_now, "throttled"]
        assert [attempt.retry_after for attempt in attempts] == [None, None, 7]

    def test_requests_that_get_no_response_are_unknown_after_the_deadline(self, rig: Rig) -> None:
        carrier = rig.carrier({"silent": 1}, deadline=SOON)
        began = time.monotonic()

        attempts = carrier.send([parcel() for _ in range(WINDOW)])

        assert time.monotonic() - began < SOON + 3
        assert {(attempt.outcome, attempt.code) for attempt in attempts} == {(Outcome.UNKNOWN, "timeout")}

    def test_a_thousand_messages_are_accepted_with_no_more_in_flight_than_the_window_allows(self, rig: Rig) -> None:
        carrier = rig.carrier({"latency_ms": 10}, call_deadline=40)
        parcels = [parcel(to=f"+4917012{n:05}") for n in range(1000)]

        attempts = carrier.send(parcels)

        assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED] * 1000
        assert rig.peak() <= WINDOW
        assert len({attempt.carrier_ref for attempt in attempts}) == 1000
        assert sorted(line["ref"] for line in rig.log()) == sorted(marks(rig, parcels))

    def test_submit_notes_report_each_handover_and_its_attempt(self, rig: Rig) -> None:
        (refuse, _), (later, _) = self.REFUSED, self.REFUSED_FOR_NOW
        carrier = rig.carrier({"latency_ms": 5, refuse: 0.2, later: 0.2})
        assert isinstance(carrier, NotingCarrier) is self.NOTES
        if not isinstance(carrier, NotingCarrier):
            return
        notes, parcels = Noted(), [parcel(to=f"+4917012{n:05}") for n in range(100)]

        attempts = carrier.send_noting(parcels, notes)

        assert (notes.handed, notes.out) == (Counter(range(100)), set())
        assert [notes.answers[place] for place in range(100)] == attempts
        assert notes.peak <= WINDOW

    def test_messages_that_may_not_be_submitted_any_more_are_not(self, rig: Rig) -> None:
        carrier, asked = rig.carrier(), list[int]()
        if not isinstance(carrier, NotingCarrier):
            return

        def may_submit(place: int) -> bool:
            asked.append(place)
            return place % 3 == 0

        notes = Noted(may_submit)
        parcels = [parcel(to=f"+4917012{n:05}") for n in range(3 * WINDOW)]

        attempts = carrier.send_noting(parcels, notes)

        submitted = set(range(0, 3 * WINDOW, 3))
        assert (sorted(asked), notes.handed) == (list(range(3 * WINDOW)), Counter(submitted))
        assert {attempt.outcome for place, attempt in enumerate(attempts) if place in submitted} == {Outcome.ACCEPTED}
        others = {(each.outcome, each.code) for place, each in enumerate(attempts) if place not in submitted}
        assert others == {(Outcome.NOT_WRITTEN, STOPPED)}
        assert len(rig.log()) == WINDOW

    def test_submit_notes_report_no_handover_when_the_carrier_is_unreachable(self, rig: Rig) -> None:
        carrier, notes = rig.away(), Noted()

        attempts = (
            carrier.send_noting([parcel() for _ in range(30)], notes) if isinstance(carrier, NotingCarrier) else []
        )

        assert {attempt.outcome for attempt in attempts} <= {Outcome.NOT_WRITTEN}
        assert notes.handed == {}

    def test_a_carrier_can_be_used_for_several_calls_even_after_a_reset_connection(self, rig: Rig) -> None:
        carrier = rig.carrier({"numbers": {"9": "reset"}})

        rounds = [carrier.send([parcel(), parcel(to="+4917012345679"), parcel()]) for _ in range(5)]

        assert [[attempt.outcome for attempt in attempts] for attempts in rounds] == [
            [Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.ACCEPTED]
        ] * 5
        assert len(rig.log()) == 15

    def test_all_messages_to_an_unreachable_carrier_are_not_written(self, rig: Rig) -> None:
        carrier = rig.away()
        began = time.monotonic()

        attempts = carrier.send([parcel() for _ in range(1000)])

        assert time.monotonic() - began < 4
        assert len(attempts) == 1000
        assert {attempt.outcome for attempt in attempts} == {Outcome.NOT_WRITTEN}
        assert "refused" in {attempt.code for attempt in attempts} <= {"refused", "fused"}

    def test_messages_over_the_carrier_s_rate_limit_are_refused_transiently(self, rig: Rig) -> None:
        carrier = rig.carrier({"limit_tps": 10})

        attempts = carrier.send([parcel() for _ in range(60)])

        outcomes = [attempt.outcome for attempt in attempts]
        assert set(outcomes) == {Outcome.ACCEPTED, Outcome.REFUSED_TRANSIENT}
        assert 1 <= outcomes.count(Outcome.ACCEPTED) <= 20

    def test_the_carrier_receives_our_reference_unchanged_at_every_attempt(self, rig: Rig) -> None:
        carrier = rig.carrier()
        given = parcel(valid_until=datetime.now(UTC) + timedelta(hours=1))

        carrier.send([given])
        carrier.send([given])

        assert [line["ref"] for line in rig.log()] == marks(rig, [given, given])

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
    def test_the_carrier_receives_the_text_intact(self, rig: Rig, body: str) -> None:
        [attempt] = rig.carrier().send([parcel(body)])

        [line] = rig.log()
        assert attempt.outcome is Outcome.ACCEPTED
        assert line["body_hash"] == sha256(body.encode("utf-8", "surrogatepass")).hexdigest()

    @pytest.mark.parametrize("scripted", ScriptedOutcome)
    def test_the_repr_of_an_attempt_contains_no_number_and_no_text(self, rig: Rig, scripted: ScriptedOutcome) -> None:
        secret = parcel("sesame", to="+491709876543")

        [attempt] = rig.carrier(
            {f"{scripted}:0.1" if scripted is ScriptedOutcome.SLOW else scripted: 1}, **hurry(scripted)
        ).send([secret])

        assert "sesame" not in repr(attempt)
        assert "709876543" not in repr(attempt)

    def test_a_carrier_can_be_closed_twice(self, rig: Rig) -> None:
        carrier = rig.carrier()
        carrier.send([parcel()])

        carrier.close()
        carrier.close()

    def test_a_carrier_that_was_never_used_can_be_closed(self, rig: Rig) -> None:
        rig.carrier().close()
