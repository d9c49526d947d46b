import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.carriers.simulated import OUTCOMES, Simulated
from pipeline.carriers.simulator_script import ScriptedOutcome
from pipeline.errors import ConfigurationError
from schema.vocabulary import Outcome
from tests.carriers.conformance import Conformance, parcel
from tests.carriers.simulator import read_log


class InProcess:
    """A simulated carrier with its log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: list[Simulated] = []

    def carrier(self, script: dict[str, Any] | None = None, **_settings: object) -> Simulated:
        self.made.append(Simulated("alpha", {"script": script or {}, "log": str(self.path)}))
        return self.made[-1]

    def away(self) -> Simulated:
        return self.carrier({"down": True})

    def log(self) -> list[dict[str, Any]]:
        return read_log(self.path)

    def peak(self) -> int:
        return 1


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[InProcess]:
    rig = InProcess(tmp_path / "oracle.jsonl")
    yield rig
    for carrier in rig.made:
        carrier.close()


class TestSimulated(Conformance):
    NOTES = False


def test_every_scripted_outcome_has_an_outcome() -> None:
    assert set(OUTCOMES) == set(ScriptedOutcome)


def test_the_oracle_s_log_has_what_tests_compare_and_no_number_and_no_text(rig: InProcess) -> None:
    sent = parcel("sesame", to="+491709876543")

    [attempt] = rig.carrier().send([sent])

    [line] = rig.log()
    assert set(line) == {"ref", "carrier", "carrier_id", "body_hash", "at", "decision", "taken"}
    assert (line["carrier"], line["carrier_id"], line["taken"]) == ("alpha", attempt.carrier_ref, True)
    assert "sesame" not in json.dumps(line)
    assert "709876543" not in json.dumps(line)


def test_two_carriers_append_to_one_log(rig: InProcess) -> None:
    one, other = rig.carrier(), rig.carrier()

    for carrier in (one, other, one):
        carrier.send([parcel()])

    assert len({line["carrier_id"] for line in rig.log()}) == 3


def test_a_new_carrier_appends_to_an_existing_log(rig: InProcess) -> None:
    first = rig.carrier()
    first.send([parcel()])
    first.close()

    rig.carrier().send([parcel()])

    assert len(rig.log()) == 2


def test_a_simulated_carrier_without_a_log_accepts_messages() -> None:
    carrier = Simulated("alpha", {})

    assert [attempt.outcome for attempt in carrier.send([parcel()])] == [Outcome.ACCEPTED]
    assert carrier.oracle.counts == {ScriptedOutcome.ACCEPT: 1}
    carrier.close()


def test_the_simulated_rate_limit_refills_with_time() -> None:
    carrier = Simulated("alpha", {"script": {"limit_tps": 2}})
    turns = [carrier.oracle.judge("r", "+1", "", now).turn.word for now in (100, 100, 100, 100.4, 100.5, 100.6)]

    assert turns == [
        ScriptedOutcome.ACCEPT,
        ScriptedOutcome.ACCEPT,
        ScriptedOutcome.THROTTLE,
        ScriptedOutcome.THROTTLE,
        ScriptedOutcome.ACCEPT,
        ScriptedOutcome.THROTTLE,
    ]


def test_throttled_messages_are_accepted_after_some_retries() -> None:
    carrier = Simulated("alpha", {"script": {"throttle": 0.3, "queue_full": 0.3}})
    waiting = [parcel() for _ in range(100)]
    rounds = 0

    while waiting:
        attempts = carrier.send(waiting)
        waiting = [each for each, tried in zip(waiting, attempts, strict=True) if tried.outcome is not Outcome.ACCEPTED]
        rounds += 1

    assert 3 < rounds < 40
    carrier.close()


def test_a_log_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"log .*: Is a directory"):
        Simulated("alpha", {"log": str(tmp_path)})
