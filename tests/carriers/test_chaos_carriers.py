"""Carriers with all faults at once, compared with the oracle's log message by message (chaos plan, C8)."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest

from pipeline.carriers.contract import Carrier
from pipeline.carriers.http import make
from pipeline.carriers.simulator_script import WAITS, ScriptedOutcome
from pipeline.carriers.smpp.smpp_carrier import SmppCarrier
from schema.carriage import Attempt, Parcel
from schema.vocabulary import Outcome
from tests.carriers.conformance import EXPECTED, parcel
from tests.carriers.simulator import both, read_log
from workers.lab.simulator.scripts import smpp_settings

#: messages of each mixture
MESSAGES = 10_000
#: carriers that share them, each asked by a thread of its own as by a worker
CARRIERS = ("alpha", "beta", "gamma", "delta", "epsilon")
#: seconds a request may take: long, for an answer that a busy machine is late with is no fault of the mixture's
DEADLINE = 3.0
#: what a call may be late, beside what this machine was late itself
LATE = 0.5
#: requests that an SMPP bind has in flight
WINDOW = 10

#: the plan's mixture: taken and reset, never answered, 5xx, throttled with and without a time, slow, half open, garbage
MIXTURE = {
    "reset": 0.01,
    "silent": 0.01,
    "bad_gateway": 0.01,
    "gateway_timeout": 0.005,
    "refuse_transient": 0.005,
    "throttle:2": 0.05,
    "queue_full": 0.01,
    "refuse": 0.01,
    "nack": 0.005,
    "hang_up": 0.005,
    "drop": 0.005,
    "trickle:1": 0.002,
    "half_open": 0.002,
    "garbage": 0.01,
    "slow:0.1": 0.01,
}
#: where one connection carries all: what breaks it costs a whole window, and half open or slow costs two deadlines
ROUGH = MIXTURE | {"trickle:1": 0.0005, "half_open": 0.0005, "hang_up": 0.002, "slow:0.1": 0.0}
#: what ends an SMPP bind, or blocks it for good
BLOCKS = {ScriptedOutcome.HALF_OPEN, ScriptedOutcome.TRICKLE}
BREAKS = {ScriptedOutcome.RESET, ScriptedOutcome.DROP, ScriptedOutcome.HANG_UP, ScriptedOutcome.GARBAGE} | BLOCKS
#: those after which the other end goes on reading
READ_ON = {ScriptedOutcome.GARBAGE, ScriptedOutcome.TRICKLE}


@dataclass(slots=True)
class Lateness:
    """How late this machine was at worst: a thread that sleeps a moment wakes so many seconds after it."""

    worst: float = 0.0
    _over: Event = field(default_factory=Event)

    def measure(self) -> None:
        before = time.monotonic()
        while not self._over.wait(0.01):
            now = time.monotonic()
            self.worst, before = max(self.worst, now - before - 0.01), now

    def end(self) -> None:
        self._over.set()


@pytest.fixture
def lateness() -> Iterator[Lateness]:
    meter = Lateness()
    thread = Thread(target=meter.measure)
    thread.start()
    yield meter
    meter.end()
    thread.join()


@dataclass(frozen=True, slots=True)
class Sent:
    """One call and what came of it."""

    began: float
    took: float
    attempts: list[Attempt]


@dataclass(frozen=True, slots=True)
class Record:
    """What the oracle wrote down of one carrier, in the order in which it read."""

    lines: list[dict[str, Any]]
    #: ref → where its lines are
    places: Mapping[UUID, list[int]]

    def scripted(self, place: int) -> ScriptedOutcome:
        return ScriptedOutcome(self.lines[place]["decision"].partition(":")[0])


def record(path: Path, carrier: str) -> Record:
    lines = [line for line in read_log(path) if line["carrier"] == carrier]
    places: dict[UUID, list[int]] = {}
    for place, line in enumerate(lines):
        places.setdefault(UUID(line["ref"]), []).append(place)
    return Record(lines, places)


def parcels(count: int, seed: str) -> list[Parcel]:
    """Return parcels with the same references whenever they are asked for, so that each run has the same fates."""
    random = Random(seed)
    return [
        replace(parcel(to=f"+23480{place:08d}"), ref=UUID(int=random.getrandbits(128), version=4))
        for place in range(count)
    ]


def send(carrier: Carrier, load: Sequence[Parcel], portion: int, threads: int = 1) -> list[Sent]:
    """Send in portions, some at once as a carrier's process does; return what came of each."""

    def one(start: int) -> Sent:
        began, clock = time.time(), time.monotonic()
        attempts = carrier.send(load[start : start + portion])
        return Sent(began, time.monotonic() - clock, attempts)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(0, len(load), portion)))


@contextmanager
def carriers(log: Path, make_one: Callable[[str, str, int], Carrier], script: dict[str, Any]) -> Iterator[list[Any]]:
    """Run a simulator of all carriers with one script; yield who speaks to them."""
    with both(log, None, **dict.fromkeys(CARRIERS, script)) as (url, port):
        made = [make_one(name, url, port) for name in CARRIERS]
        yield made
        for each in made:
            each.close()


def over_http(name: str, url: str, port: int, **settings: object) -> Carrier:
    given = {"base_url": url, "window": 50, "deadline": DEADLINE, "call_deadline": 20, **settings}
    return make(name, given)


def over_smpp(name: str, url: str, port: int, **settings: object) -> Carrier:
    given = {"window": WINDOW, "deadline": DEADLINE, "call_deadline": 60, "throttle_pause": 0.01, **settings}
    return SmppCarrier(name, smpp_settings(name, {}, "127.0.0.1", port) | given)


def storm(made: Sequence[Carrier], portion: int, threads: int = 1) -> dict[str, list[Sent]]:
    """Have all carriers sent their share of the messages at once."""
    share = MESSAGES // len(made)
    with ThreadPoolExecutor(len(made)) as pool:
        runs = pool.map(lambda each: send(each, parcels(share, f"C8/{each.name}"), portion, threads), made)
        return {each.name: found for each, found in zip(made, runs, strict=True)}


def all_of(calls: Sequence[Sent]) -> dict[UUID, Attempt]:
    """Return the attempts of calls by their reference: one for each."""
    found = [attempt for call in calls for attempt in call.attempts]
    by_ref = {attempt.ref: attempt for attempt in found}
    assert len(by_ref) == len(found)
    return by_ref


def nothing_is_lost(attempts: Mapping[UUID, Attempt], written: Record) -> None:
    """What was taken is accepted or unknown here, what was accepted has the id it was given there; nothing twice."""
    taken = Counter(UUID(line["ref"]) for line in written.lines if line["taken"])
    assert set(taken.values()) <= {1}
    assert {attempts[ref].outcome for ref in taken} <= {Outcome.ACCEPTED, Outcome.UNKNOWN}
    ids = {UUID(line["ref"]): line["carrier_id"] for line in written.lines if line["taken"]}
    accepted = {ref: each.carrier_ref for ref, each in attempts.items() if each.outcome is Outcome.ACCEPTED}
    assert accepted == {ref: ids.get(ref) for ref in accepted}


def in_time(calls: Sequence[Sent], written: Record, call_deadline: float, deadline: float, late: float) -> None:
    """No call takes longer than it may, and none begins what might not end in its time."""
    assert max(call.took for call in calls) <= call_deadline + LATE + late
    begun = {attempt.ref: call.began for call in calls for attempt in call.attempts}
    ages = [line["at"] - begun[UUID(line["ref"])] for line in written.lines]
    assert max(ages, default=0) <= call_deadline - deadline + LATE + late


def test_over_http_each_outcome_agrees_with_the_oracle_s_log(tmp_path: Path, lateness: Lateness) -> None:
    log = tmp_path / "oracle.jsonl"
    with carriers(log, over_http, {"seed": 8, **MIXTURE}) as made:
        found = storm(made, portion=1000)

    fates: Counter[ScriptedOutcome] = Counter()
    for name, calls in found.items():
        attempts, written = all_of(calls), record(log, name)
        said = {ref: written.scripted(place) for ref, [place] in written.places.items()}
        fates.update(said.values())
        assert set(said) <= set(attempts)
        wrong = Counter(
            (str(said.get(ref)), str(each.outcome), each.code)
            for ref, each in attempts.items()
            if each.outcome is not (EXPECTED[said[ref]] if ref in said else Outcome.NOT_WRITTEN)
        )
        assert wrong == {}
        assert {each.retry_after for ref, each in attempts.items() if said.get(ref) is ScriptedOutcome.THROTTLE} == {
            2.0
        }
        nothing_is_lost(attempts, written)
        in_time(calls, written, 20, DEADLINE, lateness.worst)
    assert set(fates) == set(ScriptedOutcome)
    assert fates.total() == MESSAGES


def test_over_smpp_each_outcome_agrees_with_the_oracle_s_log_unless_its_bind_broke(
    tmp_path: Path, lateness: Lateness
) -> None:
    log = tmp_path / "oracle.jsonl"
    with carriers(log, over_smpp, {"seed": 8, **ROUGH}) as made:
        found = storm(made, portion=500, threads=4)

    fates: Counter[ScriptedOutcome] = Counter()
    for name, calls in found.items():
        attempts, written = all_of(calls), record(log, name)
        fates.update(written.scripted(place) for place in range(len(written.lines)))
        agrees_or_broke(attempts, written)
        nothing_is_lost(attempts, written)
        in_time(calls, written, 60, DEADLINE, lateness.worst)
    assert set(fates) == set(ScriptedOutcome) - {ScriptedOutcome.SLOW}


def agrees_or_broke(attempts: Mapping[UUID, Attempt], written: Record) -> None:
    """Each outcome is that of the oracle's last word; another is unknown, and its message was in flight at a break.

    What was written and never read is nowhere in the log: each break leaves less than a window of it, or of two. Nor is
    what was never written, for want of time or because the whole bind was told to wait.
    """
    broken = [
        (place, scripted) for place in range(len(written.lines)) if (scripted := written.scripted(place)) in BREAKS
    ]
    unread = 0
    for ref, each in attempts.items():
        places = written.places.get(ref, [])
        assert {written.scripted(place) for place in places[:-1]} <= WAITS
        last = written.scripted(places[-1]) if places else None
        if each.outcome is (EXPECTED[last] if last else Outcome.NOT_WRITTEN):
            continue
        if not last and (each.outcome, each.code) == (Outcome.REFUSED_TRANSIENT, "throttled"):
            continue
        assert each.outcome is Outcome.UNKNOWN, (last, each)
        assert each.code in {"reset", "closed", "unbound", "silent", "unreadable", "timeout"}
        unread += last is None
        near = [scripted for place, scripted in broken if last and in_flight(places[-1], last, place, scripted)]
        assert near or last is None, (last, each)
    assert unread <= sum(WINDOW * (1 + (scripted in BLOCKS)) - 1 for _, scripted in broken)


def in_flight(place: int, said: ScriptedOutcome, broken: int, how: ScriptedOutcome) -> bool:
    """Tell whether a message read at that place, and answered so, may have been without its answer at a break.

    Of one bind it is read in order: what was in flight with the message that broke it lies less than a window before it
    in the log, and where reading goes on also behind it. Into a bind that is blocked a second window may go before its
    first one's time is over. What was told to wait waits by itself, and is written again whatever is read meanwhile.
    """
    reach = WINDOW * (1 + (how in BLOCKS) + (said in WAITS))
    return (broken - reach < place or said in WAITS) and place < broken + (reach if how in READ_ON else 0)


@pytest.mark.parametrize("make_one", [over_http, over_smpp])
def test_a_call_with_half_of_its_requests_unanswered_ends_by_its_call_deadline(
    tmp_path: Path, lateness: Lateness, make_one: Callable[..., Carrier]
) -> None:
    log = tmp_path / "oracle.jsonl"
    with both(log, alpha={"seed": 8, "silent": 0.5}) as (url, port):
        carrier = make_one("alpha", url, port, window=WINDOW, deadline=0.5, call_deadline=1.5)
        calls = send(carrier, parcels(2000, "C8/late"), 1000)
        carrier.close()

    attempts, written = all_of(calls), record(log, "alpha")
    outcomes = {ref: each.outcome for ref, each in attempts.items()}
    said = {ref: EXPECTED[written.scripted(places[-1])] for ref, places in written.places.items()}
    # what was on its way when the process of the far end stood still for longer than the call
    unread = [ref for ref, outcome in outcomes.items() if ref not in said and outcome is Outcome.UNKNOWN]
    assert len(unread) <= len(calls) * WINDOW
    assert outcomes == dict.fromkeys(attempts, Outcome.NOT_WRITTEN) | said | dict.fromkeys(unread, Outcome.UNKNOWN)
    assert {each.code for each in attempts.values() if each.outcome is Outcome.NOT_WRITTEN} == {"no_time"}
    assert min(call.took for call in calls) >= 1.5 - LATE
    in_time(calls, written, 1.5, 0.5, lateness.worst)


@pytest.mark.parametrize("away", ["tls", "dns"])
@pytest.mark.parametrize("kind", ["http", "smpp"])
def test_messages_to_an_unreachable_carrier_are_not_written_while_another_carrier_has_faults(
    tmp_path: Path, kind: str, away: str
) -> None:
    log = tmp_path / "oracle.jsonl"
    secure, host = away == "tls", "carrier.invalid" if away == "dns" else "localhost"
    # a handshake that is no handshake ends by itself, a look-up may take its time
    timeout = DEADLINE if secure else 1
    with both(log, alpha={"seed": 8, **ROUGH}) as (url, port):
        if kind == "http":
            where = f"{'https' if secure else 'http'}://{host}:{url.rpartition(':')[2]}"
            made = [over_http("alpha", url, port), over_http("alpha", where, port, window=4, connect_timeout=timeout)]
        else:
            unreached = {"host": host, "tls": secure, "connect_timeout": timeout}
            made = [over_smpp("alpha", url, port), over_smpp("alpha", url, port, **unreached)]
        with ThreadPoolExecutor(2) as pool:
            storm_, calls = pool.map(
                lambda carrier, seed: send(carrier, parcels(500, seed), 250), made, ("C8/well", "C8/unreached")
            )
        for each in made:
            each.close()

    attempts, written = all_of(calls), record(log, "alpha")
    assert {each.outcome for each in attempts.values()} == {Outcome.NOT_WRITTEN}
    codes = {each.code for each in attempts.values()} - {"fused", "no_time"}
    assert codes <= ({"tls"} if secure else {"dns", "connect_timeout"})
    assert written.lines
    assert set(written.places) <= set(all_of(storm_))
