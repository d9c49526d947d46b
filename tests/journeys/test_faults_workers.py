"""Workers are killed, suspended and stopped in the middle of a batch."""

import os
import random
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.carriers.simulator import simulator
from tests.journeys.installation import Installation, wait_for

PORTION = 100
#: batches that the process of an HTTP carrier has under way at once
THREADS = 2
FAULTS = Path(__file__).parent / "fault_injection"


def mined(installation: Installation, **environment: str) -> None:
    """Lay the mines in every process that is started from now on."""
    path = os.pathsep.join([str(FAULTS), os.environ.get("PYTHONPATH", ""), str(FAULTS.parents[2])])
    installation.environment |= {"PYTHONPATH": path, "MINES": str(installation.home)} | environment


def test_randomly_killed_worker_children_leave_only_their_portions_unknown(installation: Installation) -> None:
    installation.environment["POSTROAD_PORTION_SIZE"] = str(PORTION)
    installation.play(alpha={"latency_ms": 100})
    installation.start()
    installation.await_ready()
    installation.campaign(5, 1000)

    killed = 0
    for _ in range(6):
        time.sleep(random.uniform(0.1, 0.5))
        for child in random.sample(installation.children(), 1) if installation.children() else []:
            with suppress(psutil.NoSuchProcess):
                child.kill()
                killed += 1

    verdict = installation.all_is_well()
    assert verdict.messages == 5000
    assert verdict.unknown <= killed * PORTION
    assert verdict.doubled == 0


def test_killed_processes_of_failing_carriers_send_no_message_twice(installation: Installation) -> None:
    installation.environment |= {"POSTROAD_PORTION_SIZE": str(PORTION), "POSTROAD_LEASE_SECONDS": "6"}
    script = {"reset": 0.02, "drop": 0.02, "bad_gateway": 0.01, "garbage": 0.01, "silent": 0.005, "latency_ms": 20}
    with simulator(
        log=installation.home / "oracle.log",
        alpha=script | {"refuse_transient": 0.1},
        beta=script | {"limit_tps": 2000},
    ) as url:
        installation.play(alpha={}, beta={})
        for name in ("alpha", "beta"):
            installation.configure(name, "http", base_url=url, deadline=1)
        carriers = ("carriers alpha", "carriers beta")
        installation.start("worker", "lane", "clock", "beat", *carriers)
        installation.await_ready()
        installation.campaign(8, 300)
        for _ in range(2):
            installation.await_progress()
            time.sleep(random.uniform(0, 0.3))
            for carrier in carriers:
                installation.kill(carrier)
            installation.start(*carriers)

        verdict = installation.all_is_well()

    assert verdict.messages == 2400
    assert verdict.doubled == 0
    assert 0 < verdict.unknown <= 2 * 2 * THREADS * PORTION + 2400 * 0.15


def test_a_worker_killed_twice_leaves_only_its_portions_unknown(installation: Installation) -> None:
    installation.environment["POSTROAD_PORTION_SIZE"] = str(PORTION)
    installation.play(alpha={"latency_ms": 100})
    installation.start()
    installation.await_ready()
    installation.campaign(5, 1000)

    for _ in range(2):
        installation.await_progress()
        installation.kill("worker")
        installation.start("worker")

    verdict = installation.all_is_well()
    assert verdict.messages == 5000
    assert 0 < verdict.unknown <= 2 * 2 * PORTION
    assert verdict.doubled == 0


def test_an_order_lost_with_a_killed_worker_is_written_once_when_it_is_resubmitted(
    installation: Installation,
) -> None:
    installation.start()
    installation.await_ready()
    installation.submit(*(installation.order(500) for _ in range(30)))
    wait_for(lambda: installation.count("SELECT count(*) FROM requests") > 2, every=0.005, why="ingest is at work")
    installation.kill("worker")
    installation.start("worker")
    installation.await_ready("worker")
    wait_for(lambda: len(installation.unwritten()) <= 2, why="all is written but what the dead worker had")

    installation.resubmit()

    verdict = installation.all_is_well()
    assert verdict.messages == 15_000
    assert verdict.doubled == 0


def test_an_order_whose_worker_dies_between_commit_and_acknowledgement_is_written_once(
    installation: Installation,
) -> None:
    mined(installation)
    (installation.home / "after_ingest").touch()
    installation.start()
    installation.await_ready()

    installation.submit(installation.order(300))

    verdict = installation.all_is_well()
    assert not (installation.home / "after_ingest").exists()
    assert (verdict.messages, verdict.taken) == (300, 300)


def test_repeated_orders_and_orders_with_one_idempotency_key_are_written_once(
    installation: Installation,
) -> None:
    installation.start()
    installation.await_ready()
    keyed, plain = installation.order(20, idempotency_key="payday"), installation.order(20)

    requests = [installation.submit(keyed)[0] for _ in range(50)]
    for request in requests[1:]:
        installation.submitted[request] = 0
    again = installation.submit(plain)[0]
    for _ in range(49):
        installation.resubmit_one(again)

    installation.drained()
    assert installation.count("SELECT count(*) FROM requests WHERE accepted > 0") == 2
    for request in requests:
        installation.submitted.pop(request)
    [first] = installation.rows("SELECT id FROM requests WHERE id <> %(id)s AND accepted > 0", id=again)
    installation.submitted[first] = 20
    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken) == (40, 40)


def test_a_worker_resumed_after_its_lease_sends_nothing_and_records_only_late_answers(
    installation: Installation,
) -> None:
    installation.environment |= {"POSTROAD_PORTION_SIZE": "50", "POSTROAD_CONCURRENCY": "1"}
    installation.play(alpha={"latency_ms": 1500})
    installation.start()
    installation.await_ready()
    [request] = installation.campaign(1, 400)

    zombie, batch = installation.holder()
    wait_for(lambda: len(installation.log()) % 50 == 0 and installation.log(), why="the portion is on record")
    zombie.suspend()
    fence, unrecorded = installation.rows("SELECT fence, marked > coalesce(recorded, first_id) FROM batches")[0]
    assert unrecorded, "it was caught between mark and record"
    installation.configure("alpha", script={"latency_ms": 20})
    installation.start("rescuer", line="worker")
    installation.await_ready("rescuer")
    wait_for(lambda: installation.decided() == 400, 40, why="another worker finished the batch")
    taken = len(installation.log())
    states = "SELECT id, status, sent_at FROM messages WHERE request_id = %(id)s ORDER BY id"
    before = installation.rows(states, id=request)
    ledger = installation.rows("SELECT id FROM ledger ORDER BY id")
    zombie.resume()
    late = "SELECT count(*) FROM provider_attempts WHERE late_outcome = 'accepted' AND outcome = 'unknown'"
    wait_for(lambda: installation.count(late) == 50, why="its late answers are kept")
    earned = "SELECT count(*) FROM messages WHERE money = 'captured'"
    wait_for(lambda: installation.count(earned) == 400, why="they end the doubt")
    installation.stop("rescuer")
    installation.campaign(1, 1)  # its only child takes this up when it is done with the old

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken, verdict.doubled, verdict.unknown) == (401, 401, 0, 50)
    assert len(installation.log()) == taken + 1
    assert installation.rows(states, id=request) == before
    assert installation.rows("SELECT id FROM ledger ORDER BY id LIMIT %(n)s", n=len(ledger)) == ledger
    assert installation.count("SELECT fence FROM batches WHERE id = %(id)s", id=batch) > fence


def test_a_worker_finishes_its_portion_before_a_warm_shutdown(installation: Installation) -> None:
    installation.cold = {"worker", "lane"}
    installation.environment["POSTROAD_PORTION_SIZE"] = str(PORTION)
    installation.play(alpha={"latency_ms": 100})
    installation.start()
    installation.await_ready()
    installation.campaign(5, 1000)
    codes = []

    installation.await_progress()
    codes.append(installation.stop("worker"))
    installation.start("worker")
    installation.await_progress()
    codes += [installation.stop("worker"), installation.stop("lane")]
    installation.cold.clear()
    installation.start("worker", "lane")

    verdict = installation.all_is_well()
    assert codes == [0, 0, 0]
    assert (verdict.messages, verdict.taken, verdict.unknown) == (5000, 5000, 0)


def test_a_message_that_kills_its_worker_becomes_unknown_and_other_messages_are_sent(
    installation: Installation,
) -> None:
    mined(installation, POSTROAD_PORTION_SIZE="20")
    installation.configure("alpha", kind="lethal", script={})
    installation.start()
    installation.await_ready()

    installation.campaign(1, 5, body="lethal")
    installation.campaign(3, 100)

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken) == (305, 300)
    assert verdict.unknown == 5


def test_messages_of_a_carrier_whose_plug_in_kills_workers_fail_and_others_are_sent(
    installation: Installation,
) -> None:
    mined(installation, POSTROAD_PORTION_SIZE="20")
    installation.play(alpha={}, beta={})
    installation.world.run("UPDATE routes SET destination = '44' WHERE carrier = 'beta'")
    installation.configure("beta", kind="stillborn")
    installation.start()
    installation.await_ready()

    people = [{"to": f"+4479111234{place:02d}"} for place in range(90)]
    doomed = installation.submit(installation.order(recipients=people))
    installation.campaign(5, 100)

    verdict = installation.all_is_well(55, statuses={"sent", "failed"})
    ends = "SELECT status, error_code, count(*) FROM messages WHERE request_id = %(id)s GROUP BY 1, 2 ORDER BY 1"
    assert installation.rows(ends, id=doomed[0]) == [("failed", "poison", 90)]
    assert (verdict.taken, verdict.unknown) == (500, 0)


def test_messages_that_kill_workers_in_the_segment_stage_are_rejected_and_others_are_sent(
    installation: Installation,
) -> None:
    mined(installation)
    installation.start()
    installation.await_ready()

    installation.campaign(1, 30, body="unmeasurable")
    installation.campaign(5, 100)

    verdict = installation.all_is_well(55, statuses={"sent", "rejected"})
    assert verdict.statuses == {"rejected": 30, "sent": 500}
    assert set(installation.rows("SELECT error_code FROM messages WHERE status = 'rejected'")) == {"poison"}


def test_messages_that_kill_workers_in_the_bill_stage_are_rejected_and_others_are_sent(
    installation: Installation,
) -> None:
    mined(installation)
    installation.start()
    installation.await_ready()

    installation.campaign(1, 13)
    installation.campaign(5, 100)

    verdict = installation.all_is_well(55, statuses={"sent", "rejected"})
    assert verdict.statuses == {"rejected": 13, "sent": 500}


def test_an_order_that_kills_workers_is_refused_and_others_are_sent(installation: Installation) -> None:
    mined(installation)
    installation.start()
    installation.await_ready()

    [doomed] = installation.submit(installation.order(1, body="unreadable"))
    installation.submit(*(installation.order(10) for _ in range(20)))

    wait_for(lambda: doomed not in installation.unwritten(), 60, why="the order that kills is answered")
    installation.submitted[doomed] = 0
    verdict = installation.all_is_well()
    assert verdict.statuses == {"sent": 200}


def test_duplicate_hints_send_no_message_twice(installation: Installation) -> None:
    mined(installation, DOUBLE="1")
    installation.play(alpha={"refuse_transient": 0.3}, beta={"refuse_transient": 0.3}, gamma={})
    installation.start()
    installation.await_ready()

    installation.campaign(10, 300)

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken, verdict.unknown) == (3000, 3000, 0)
