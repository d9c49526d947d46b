"""A campaign is paused in the middle of a portion over SMPP and HTTP: the simulator's log says what arrives."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.stages.admin.audit import audit
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.store import carriers
from schema.vocabulary import CampaignState
from tests.carriers.simulator import both, read_log
from tests.stages.test_campaign_stops import campaign_of, paid, set_state
from tests.world import World
from workers.lab.simulator.scripts import smpp_settings

WINDOW, MESSAGES = 2, 40
PEOPLE = [f"+23480123456{n:02}" for n in range(MESSAGES)]
#: each response takes so long that the portion would take six seconds
SCRIPT = {"latency_ms": 300}


def wait_until(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.005)


@pytest.mark.parametrize("kind", ["smpp", "http"])
@pytest.mark.parametrize("parts", [1, 3])
def test_after_a_process_has_seen_a_pause_only_what_was_handed_over_arrives_and_the_rest_once_resumed(
    world: World, tmp_path: Path, kind: str, parts: int
) -> None:
    path = tmp_path / "oracle.log"
    world.run("UPDATE accounts SET subscribes = true")
    with both(path, None, alpha=SCRIPT) as (url, port):
        where: dict[str, Any] = {"base_url": url}
        if kind == "smpp":
            where = smpp_settings("alpha", SCRIPT, "127.0.0.1", port)
        with world.rt.begin() as conn:
            # over SMPP each part has a place in the window
            window = WINDOW * (parts if kind == "smpp" else 1)
            carriers.save(conn, "alpha", kind, {**where, "window": window}, sends_dlt=True)
        campaign = campaign_of(world)
        hints = paid(world, campaign, *PEOPLE, body="x" * (150 * parts))
        known: list[int] = []

        def pause() -> None:
            wait_until(lambda: read_log(path))
            set_state(world, campaign, CampaignState.PAUSED)
            wait_until(lambda: world.rt.campaign_watch.is_stopped(campaign))
            known.append(len(read_log(path)))

        pausing = Thread(target=pause)
        pausing.start()
        assert deliver(world.rt, [hint.batch for hint in hints]) == []
        pausing.join()

        arrived = [line["ref"] for line in read_log(path)]
        # the window may have been filled just then
        assert len(arrived) <= known[0] + WINDOW < MESSAGES
        assert len(set(arrived)) == len(arrived)
        recorded = "SELECT message_id::text FROM provider_attempts WHERE outcome = 'accepted'"
        assert sorted(world.rows(recorded)) == sorted(arrived)
        assert world.rows("SELECT count(*) FROM provider_attempts") == [len(arrived)]
        assert world.rows("SELECT status, held, attempt, round FROM batches") == [("queued", "campaign", 1, 0)]
        assert world.rt.unhealthy() == frozenset()
        assert deliver(world.rt, [hint.batch for hint in hints]) == promote(world.rt) == []

        world.run("UPDATE carriers SET settings = settings || jsonb_build_object('window', 100)")
        set_state(world, campaign, CampaignState.RUNNING)
        world.deliver_all(promote(world.rt))

    arrived = [line["ref"] for line in read_log(path)]
    assert len(arrived) == len(set(arrived)) == MESSAGES
    assert world.rows("SELECT status, count(*) FROM messages GROUP BY 1") == [("sent", MESSAGES)]
    assert sorted(world.rows(recorded)) == sorted(arrived)
    assert [finding for finding in audit(world.rt) if finding.broken] == []
