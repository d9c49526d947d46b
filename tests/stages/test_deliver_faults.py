"""Database faults between a carrier's response and its record, and a process that is asked to stop."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.database import Work
from pipeline.errors import DatabaseFault
from pipeline.runtime import Connection, Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.deliver import deliver
from pipeline.stages.sweep import sweep
from tests.carriers.simulator import read_log
from tests.world import World

NUMBERS = [f"+23480123456{n:02}" for n in range(20)]
PORTION = 5
#: what each message costs
PRICE = 400


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


class Faulty(Runtime):
    """A runtime whose n-th transaction is thrown out before its commit, or loses the commit's answer."""

    def __init__(self, settings: Settings, fault: Callable[[int], str | None]) -> None:
        super().__init__(settings)
        self.fault, self.begun = fault, 0

    @contextmanager
    def begin(self, work: Work | None = None) -> Iterator[Connection]:
        self.begun += 1
        fault = self.fault(self.begun)
        with super().begin(work) as conn:
            yield conn
            if fault == "thrown out":
                conn.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        if fault == "answer lost":
            raise DatabaseFault("server closed the connection unexpectedly")


@pytest.fixture
def faulty(settings: Settings) -> Iterator[Callable[..., Faulty]]:
    """Makes a runtime with these faults, by the number of the transaction; 1 is the claim's."""
    made: list[Faulty] = []

    def make(fault: Callable[[int], str | None], **fields: Any) -> Faulty:
        made.append(Faulty(settings.model_copy(update={"portion_size": PORTION, **fields}), fault))
        return made[-1]

    yield make
    for rt in made:
        rt.close()


def logged(world: World, log: Path, **script: Any) -> Callable[[], list[str]]:
    """Have carrier alpha play a script and write a log; return who reads what it took."""
    world.run(
        "UPDATE carriers SET settings = %(settings)s::jsonb WHERE name = 'alpha'",
        settings=json.dumps({"script": script, "log": str(log)}),
    )
    return lambda: [line["ref"] for line in read_log(log) if line["taken"]]


def captured(world: World) -> list[int]:
    return [int(each) for each in world.rows("SELECT sum(amount) FROM ledger WHERE kind = 'capture'")]


TIMES: list[Any] = [
    pytest.param({2: fault}, id=f"the first portion: {fault}") for fault in ("thrown out", "answer lost")
]
TIMES += [pytest.param({3: fault}, id=f"one between: {fault}") for fault in ("thrown out", "answer lost")]
TIMES += [pytest.param({5: fault}, id=f"the last: {fault}") for fault in ("thrown out", "answer lost")]
TIMES += [
    pytest.param({2: "thrown out", 3: "answer lost", 4: "answer lost"}, id="one after another"),
    pytest.param({2: "answer lost", 3: "thrown out", 4: "thrown out"}, id="lost, then thrown out"),
    pytest.param(dict.fromkeys((2, 4, 6, 8), "answer lost"), id="every portion: answer lost"),
    pytest.param(dict.fromkeys((2, 4, 6, 8), "thrown out"), id="every portion: thrown out"),
]


@pytest.mark.parametrize("faults", TIMES)
def test_a_short_database_fault_while_recording_neither_loses_nor_repeats_an_outcome(
    world: World, faulty: Callable[..., Faulty], tmp_path: Path, faults: Mapping[int, str]
) -> None:
    taken = logged(world, tmp_path / "oracle.jsonl", numbers={"3": "refuse_transient", "7": "refuse:9"})
    world.add_carrier("beta", rank=2)
    [hint] = world.pay(world.submit(world.order(*NUMBERS)))

    hints = deliver(faulty(faults.get), [hint.batch])
    world.deliver_all(hints)

    outcomes = "SELECT n, carrier, outcome, count(*) FROM provider_attempts GROUP BY 1, 2, 3 ORDER BY 1, 3"
    assert world.rows(outcomes) == [
        (1, "alpha", "accepted", 16),
        (1, "alpha", "refused_permanent", 2),
        (1, "alpha", "refused_transient", 2),
        (2, "beta", "accepted", 2),
    ]
    assert len(taken()) == len(set(taken())) == 16
    assert captured(world) == [18 * PRICE]
    assert world.balance() == 1_000_000 - 18 * PRICE
    assert world.rows("SELECT count(*) FROM provider_attempts WHERE late_outcome IS NOT NULL") == [0]


def test_batches_sent_together_are_recorded_in_spite_of_a_short_database_fault(
    world: World, faulty: Callable[..., Faulty]
) -> None:
    hints = world.pay([answer for number in NUMBERS[:8] for answer in world.submit(world.order(number))])

    deliver(faulty({2: "answer lost", 4: "thrown out"}.get), [hint.batch for hint in hints])

    assert world.rows("SELECT outcome, count(*) FROM provider_attempts GROUP BY 1") == [("accepted", 8)]
    assert captured(world) == [8 * PRICE]


def test_a_fault_longer_than_the_lease_leaves_only_the_outcomes_of_its_portion_unknown(
    world: World, faulty: Callable[..., Faulty], tmp_path: Path
) -> None:
    taken = logged(world, tmp_path / "oracle.jsonl")
    [hint] = world.pay(world.submit(world.order(*NUMBERS)))
    rt = faulty(lambda n: "thrown out" if n > 2 else None, lease_seconds=1)

    with pytest.raises(DatabaseFault):
        deliver(rt, [hint.batch])
    within = world.rows("SELECT lease_until > clock_timestamp() FROM batches")
    world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
    world.deliver_all(sweep(world.rt).queued)

    assert rt.begun > 3
    assert within == [True]
    assert world.rows("SELECT outcome, count(*) FROM provider_attempts GROUP BY 1 ORDER BY 1") == [
        ("accepted", 15),
        ("unknown", 5),
    ]
    assert len(taken()) == len(set(taken())) == 20
    assert captured(world) == [15 * PRICE]


def test_a_permanent_database_error_while_recording_is_not_retried(world: World, faulty: Callable[..., Faulty]) -> None:
    [hint] = world.pay(world.submit(world.order()))
    world.run("ALTER TABLE provider_attempts ADD CONSTRAINT nothing_fits CHECK (n > 1)")
    rt = faulty({}.get)

    with pytest.raises(DatabaseFault, match="nothing_fits"):
        deliver(rt, [hint.batch])

    assert rt.begun == 2
    world.run("ALTER TABLE provider_attempts DROP CONSTRAINT nothing_fits")
    world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
    world.deliver_all(sweep(world.rt).queued)


@pytest.mark.parametrize("faults", [{}, {2: "answer lost"}, {2: "thrown out"}], ids=str)
def test_a_stopping_process_sends_what_is_marked_and_gives_back_the_rest(
    world: World, faulty: Callable[..., Faulty], tmp_path: Path, faults: Mapping[int, str]
) -> None:
    taken = logged(world, tmp_path / "oracle.jsonl", numbers={"3": "refuse_transient"})
    world.add_carrier("beta", rank=2)
    [split] = world.pay(world.submit(world.order(*NUMBERS[:8])))
    [whole] = world.pay(world.submit(world.order(*NUMBERS[8:12])))
    rt = faulty(faults.get)
    rt.is_stopping = lambda: True

    hints = deliver(rt, [split.batch, whole.batch])

    assert len(taken()) == PORTION - 1
    assert {hint.batch for hint in hints} == {split.batch, whole.batch}
    assert world.rows("SELECT status, fence, lease_until FROM batches") == [("queued", 2, None)] * 2
    for hint in hints:
        world.deliver_all([hint])
    assert world.rows("SELECT carrier, outcome, count(*) FROM provider_attempts GROUP BY 1, 2 ORDER BY 1, 2") == [
        ("alpha", "accepted", 11),
        ("alpha", "refused_transient", 1),
        ("beta", "accepted", 1),
    ]
    assert len(taken()) == len(set(taken())) == 11
    assert captured(world) == [12 * PRICE]
