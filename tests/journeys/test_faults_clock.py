"""Several beat processes, no beat process, and OTP workers that are busy with a slow carrier."""

import threading
import time
from datetime import UTC, datetime, timedelta

from tests.journeys.installation import Installation, wait_for

EARLY = (
    "SELECT count(*) FROM provider_attempts AS a JOIN batches AS b ON b.id = a.batch_id WHERE a.marked_at < b.send_at"
)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def bring_forward(installation: Installation, seconds: float) -> datetime:
    """Have all that waits be due in so many seconds; return when that is."""
    at = soon(seconds)
    installation.world.run("UPDATE batches SET due_at = %(at)s, send_at = %(at)s WHERE status = 'scheduled'", at=at)
    return at


def waiting(installation: Installation) -> int:
    """Return how many batches wait for their minute."""
    return installation.count("SELECT count(*) FROM batches WHERE status = 'scheduled'")


def test_three_beat_processes_send_no_message_early_or_twice(installation: Installation) -> None:
    installation.start("worker", "lane", "clock", "beat")
    installation.start("beat_2", line="beat")
    installation.start("beat_3", line="beat")
    installation.await_ready()

    installation.campaign(40, 25, send_at=soon(3600))
    wait_for(lambda: waiting(installation) == 40, 10, why="all of it waits for its minute")
    at = bring_forward(installation, 3)
    assert installation.log() == []

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken, verdict.unknown) == (1000, 1000, 0)
    assert installation.count("SELECT count(*) FROM batches WHERE send_at = %(at)s", at=at) == 40
    assert installation.count(EARLY) == 0
    assert installation.count("SELECT count(*) FROM batches WHERE queued_at < send_at") == 0


def test_without_a_beat_process_scheduled_batches_wait_and_none_is_lost(installation: Installation) -> None:
    installation.start()
    installation.await_ready()
    installation.campaign(20, 10, send_at=soon(3600))
    wait_for(lambda: waiting(installation) == 20, 10, why="all of it waits for its minute")
    installation.kill("beat")
    bring_forward(installation, 3)  # when its last ticks are worthless
    wait_for(lambda: installation.count("SELECT count(*) FROM batches WHERE due_at > now()") == 0, why="it is due")
    time.sleep(2)
    assert waiting(installation) == 20
    assert installation.log() == []

    installation.start("beat")

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken, verdict.unknown) == (200, 200, 0)
    assert installation.count(EARLY) == 0


def test_a_due_batch_is_promoted_while_slow_otp_messages_occupy_their_workers(installation: Installation) -> None:
    installation.play(alpha={"latency_ms": 2000})
    installation.start(POSTROAD_LEASE_SECONDS="15", POSTROAD_STALE_SECONDS="60")
    installation.await_ready()
    installation.campaign(1, 1, send_at=soon(3600))
    wait_for(lambda: waiting(installation) == 1, why="it waits for its minute")
    done = threading.Event()

    def crowd() -> None:
        while not done.is_set():
            installation.submit(*(installation.order(1, **{"class": "otp"}) for _ in range(5)))
            done.wait(0.2)

    crowding = threading.Thread(target=crowd)
    crowding.start()
    try:
        wait_for(lambda: len(installation.log()) >= 20, why="codes keep both of the lane's children busy")
        bring_forward(installation, 0)
        wait_for(lambda: waiting(installation) == 0, 10, why="it is promoted within 10 s of its minute")
    finally:
        done.set()
        crowding.join()

    assert installation.all_is_well().unknown == 0
