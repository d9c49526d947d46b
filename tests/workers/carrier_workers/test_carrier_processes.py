"""The supervisor of carriers' processes, with real child processes that only sleep."""

import sys
from collections.abc import Iterator

import pytest

from schema.vocabulary import Placement
from tests.workers.conftest import Site
from workers.carrier_workers.carrier_processes import CarrierProcesses

WAITS = "import time; time.sleep(60)"


class Carriers:
    """Which there should be."""

    def __init__(self) -> None:
        self.rows: dict[str, Placement] = {}
        self.placements = CarrierProcesses(lambda: self.rows, lambda name: [sys.executable, "-c", WAITS, name])

    def running(self) -> dict[str, int]:
        """Return the carriers whose processes run, and those."""
        self.placements.look()
        children = self.placements._children
        return {name: child.popen.pid for name, child in children.items() if child.popen.poll() is None}


@pytest.fixture
def carriers() -> Iterator[Carriers]:
    carriers = Carriers()
    yield carriers
    carriers.placements.close()


def test_a_carrier_has_a_process_until_it_is_removed(carriers: Carriers) -> None:
    carriers.rows = {"alpha": Placement.OWN, "beta": Placement.BOUND}
    before = carriers.running()

    carriers.rows = {"beta": Placement.BOUND}
    after = carriers.running()

    assert set(before) == {"alpha", "beta"}
    assert after == {"beta": before["beta"]}


def test_a_carrier_whose_placement_changes_gets_a_new_process(carriers: Carriers) -> None:
    carriers.rows = {"alpha": Placement.OWN, "beta": Placement.BOUND}
    before = carriers.running()

    # its codes come through a queue that the old process does not read
    carriers.rows = {"alpha": Placement.BOUND, "beta": Placement.BOUND}
    after = carriers.running()

    assert after["beta"] == before["beta"]
    assert after["alpha"] != before["alpha"]


#: the ear's thread adds an answer at the moment at which the watch reads another
BOTH_AT_ONCE = """
import time
from uuid import uuid4
from schema.carriage import Attempt
from schema.vocabulary import Outcome
from workers.app import runtime
from workers.carrier_workers import listener

class Interrupted:
    def __init__(self):
        self.answer = Attempt(uuid4(), Outcome.ACCEPTED, "x")
    def __iter__(self):
        listener._late[uuid4()] = (time.monotonic(), self.answer)
        return iter((time.monotonic(), self.answer))

for _ in range(3):
    listener._late[uuid4()] = Interrupted()
listener.note_late(runtime(), "alpha")
"""


def test_late_answers_can_arrive_while_others_are_recorded(quiet: Site) -> None:
    child = quiet.run_python(BOTH_AT_ONCE)

    assert child.returncode == 0, child.stderr
