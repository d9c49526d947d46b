"""Celery beat: its tasks are small, use a queue of their own, expire when late, and may be published twice."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.carriers import set_carrier_state
from schema.vocabulary import AccountState, CarrierState
from tests.forked_processes import procfile
from tests.workers.conftest import Eventually, Site
from workers.beat import SCHEDULE
from workers.queues import CLOCK, MAINTENANCE, QUEUES


def start_beats(place: Site, count: int) -> None:
    for number in range(count):
        place.start(f"beat-{number}", "beat", ready=": starts")


@pytest.fixture(scope="module")
def ticks(quiet: Site, eventually: Eventually) -> list[tuple[datetime, dict[str, Any], Any]]:
    """The ticks of two beats on which nobody works: when each was there, its headers and body."""
    start_beats(quiet, 2)
    found: list[tuple[datetime, dict[str, Any], Any]] = []

    def enough() -> bool:
        found.extend((datetime.now(UTC), *tick) for tick in quiet.waiting(CLOCK))
        return Counter(headers["task"] for _, headers, _ in found)["sms.promote"] >= 4

    eventually(enough)
    quiet.stop()
    return found


def test_ticks_are_sent_to_a_queue_of_their_own(quiet: Site, ticks: list[Any]) -> None:
    assert {headers["task"] for _, headers, _ in ticks} >= {"sms.promote", "sms.settle"}
    others = [queue.name for queue in QUEUES if queue.name not in (CLOCK, MAINTENANCE)]
    assert [quiet.waiting(name) for name in others] == [[]] * len(others)


def test_a_tick_expires_when_the_next_is_due(ticks: list[Any]) -> None:
    seconds = {entry["task"]: entry["schedule"] for entry in SCHEDULE.values()}

    for at, headers, _ in ticks:
        left = datetime.fromisoformat(headers["expires"]) - at
        assert left <= timedelta(seconds=max(seconds[headers["task"]], 1))


def test_a_tick_has_no_arguments(ticks: list[Any]) -> None:
    assert all(body[:2] == [[], {}] for _, _, body in ticks)


@pytest.mark.parametrize("name", SCHEDULE)
def test_every_scheduled_task_expires_and_uses_the_clock_s_queues(name: str) -> None:
    entry = SCHEDULE[name]
    queue = MAINTENANCE if name == "maintenance" else CLOCK

    assert entry["options"] == {"queue": queue, "expires": max(entry["schedule"], 1)}


def test_every_scheduled_task_is_registered(quiet: Site) -> None:
    code = "from workers.tasks import app; print(*app.tasks)"

    tasks = quiet.run_python(code).stdout.split()

    assert {entry["task"] for entry in SCHEDULE.values()} <= set(tasks)


def test_two_concurrent_beats_promote_no_batch_twice(new_site: Callable[[], Site], eventually: Eventually) -> None:
    site = new_site()
    later = datetime.now(UTC) + timedelta(hours=1)
    answers = site.world.submit(*(site.world.order(send_at=later + timedelta(seconds=n)) for n in range(200)))
    site.world.pay(answers)
    site.start_worker("--concurrency", "2", queues=CLOCK, POSTROAD_STALE_SECONDS="600")
    start_beats(site, 2)

    # ticks pile up before a closed table, and all go in at once
    with site.rt.begin() as conn:
        conn.exec_driver_sql("LOCK TABLE batches IN EXCLUSIVE MODE")
        conn.exec_driver_sql("UPDATE batches SET due_at = now() - interval '1 hour', send_at = NULL")
        eventually(lambda: site.world.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") != [0])
        time.sleep(3)
    eventually(lambda: site.world.rows("SELECT DISTINCT status FROM batches") == ["queued"])

    hinted: Counter[str] = Counter()

    def all_hinted() -> bool:
        hinted.update(batch for _, ((batches,), _, _) in site.waiting("deliver") for batch in batches)
        return len(hinted) == 200

    eventually(all_hinted)
    assert set(hinted.values()) == {1}
    assert site.world.rows("SELECT DISTINCT fence, hints FROM batches") == [(0, 0)]
    assert [finding for finding in audit(site.rt) if finding.broken] == []


def test_held_messages_are_sent_once_the_suspension_or_drain_ends(
    new_site: Callable[[], Site], eventually: Eventually
) -> None:
    site = new_site()
    held = site.world.pay(site.world.submit(site.world.order(message_class="otp")))
    set_account_state(site.rt, "acme", AccountState.SUSPENDED)
    site.start_worker("--concurrency", "2", POSTROAD_STALE_SECONDS="600")
    start_beats(site, 1)

    set_carrier_state(site.rt, "alpha", CarrierState.DRAINED)
    set_account_state(site.rt, "acme", AccountState.ACTIVE)
    eventually(lambda: site.world.rows("SELECT held FROM batches") == ["carrier"])
    set_carrier_state(site.rt, "alpha", CarrierState.ACTIVE)
    eventually(lambda: site.world.rows("SELECT status FROM messages") == ["sent"])

    assert site.world.rows("SELECT id, attempt, round FROM batches") == [(held[0].batch, 1, 0)]
    assert [finding for finding in audit(site.rt) if finding.broken] == []


def test_beat_publishes_though_its_heartbeat_cannot_be_written(quiet: Site, tmp_path: Path) -> None:
    words = procfile("beat", quiet.environment)
    home = tmp_path / "file" / "none"
    home.parent.write_text("no folder")

    # it says so after it has published
    quiet.start("bare beat", *words[words.index("beat") :], ready="cannot write the heartbeat", POSTROAD_HOME=str(home))
