"""Each process that `postroad up` runs is killed with SIGKILL during a campaign; the carriers' log shows the effect."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from pipeline.errors import DatabaseFault
from tests.carriers.simulator import ask
from tests.journeys.installation import Installation, wait_for
from tests.journeys.simulated_carriers import far_ends

MESSAGES = 3000
#: requests that one bind, or the connections of one process, have in flight at most; and what is marked together
WINDOW, PORTION = 20, 100
CODES = 2
#: what a busy machine does not exceed, so that nothing is in doubt for its sake
SETTINGS = {"window": WINDOW, "deadline": 20, "call_deadline": 30}
SLOW = {"latency_ms": 100}
#: far beyond what these journeys take: nothing in them goes on because a lease has run out
LEASE = "600"
SECRET = "a secret of this journey, long enough"

pytestmark = pytest.mark.timeout(400)

#: kills something
Kill = Callable[[Installation], None]


def whole(name: str) -> Kill:
    """Kill a process of the Procfile with all that it has started, and start it again."""

    def kill(installation: Installation) -> None:
        installation.kill(name)
        installation.start(name)

    return kill


def child(name: str) -> Kill:
    """Kill one of the processes that a process of the Procfile keeps."""

    def kill(installation: Installation) -> None:
        with suppress(psutil.NoSuchProcess):
            wait_for(lambda: installation.children(name), why=f"{name} has children")[0].kill()

    return kill


def parent(name: str) -> Kill:
    """Kill a process of the Procfile alone: what it has started must end by itself."""

    def kill(installation: Installation) -> None:
        process = installation.processes.pop(name)
        process.kill()
        process.wait(20)
        installation.start(name)

    return kill


def broker(installation: Installation) -> None:
    """Kill Valkey, and start it again."""
    installation.pair.kill_valkey()
    installation.pair.restart_valkey()


#: what speaks to no carrier here
SILENT: dict[str, Kill] = {
    "a worker's child": child("worker"),
    "a worker": whole("worker"),
    "the lane": parent("lane"),
    "the clock's child": child("clock"),
    "the clock": whole("clock"),
    "beat": whole("beat"),
    "the gateway": whole("gateway"),
    "the notifier": whole("notifier"),
    "Valkey": broker,
}


def in_doubt(installation: Installation) -> int:
    return installation.count("SELECT count(*) FROM provider_attempts WHERE outcome = 'unknown'")


def await_move(installation: Installation, more: int = MESSAGES // 3) -> None:
    """Return when the campaign has moved; it is not over as long as it is waited for."""
    if installation.count("SELECT count(*) FROM messages WHERE status IS NULL") < more:
        installation.submit(installation.order(more))
    before = installation.decided()
    wait_for(lambda: installation.decided() > before, why="the campaign moves")


def start(installation: Installation, carriers: str) -> None:
    """Start all that `postroad up` does, but Flower."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    installation.environment |= {"POSTROAD_SECRET_KEY": SECRET, "POSTROAD_GATEWAY_PORT": port}
    installation.environment["POSTROAD_LEASE_SECONDS"] = LEASE
    installation.start("worker", "lane", "clock", "beat", "gateway", "notifier", carriers)
    installation.await_ready("worker", "lane", "clock")


def test_a_killed_process_leaves_at_most_the_smpp_window_of_a_carrier_process_unknown(
    installation: Installation,
) -> None:
    with far_ends(installation, "smpp", SETTINGS, portion=PORTION, alpha=SLOW) as url:
        start(installation, "carriers")
        installation.campaign(3, MESSAGES // 3)

        for kill in SILENT.values():
            await_move(installation)
            assert in_doubt(installation) == 0
            kill(installation)
        for killed, kill in enumerate((child("carriers"), parent("carriers"))):
            await_move(installation)
            assert in_doubt(installation) <= killed * WINDOW
            kill(installation)
        ask(f"{url}/alpha/script", "PUT", {})

        verdict = installation.all_is_well(60, statuses={"sent", "delivered"})

    assert verdict.messages == sum(installation.submitted.values()) >= MESSAGES
    assert verdict.taken >= verdict.messages - verdict.unknown
    assert verdict.doubled == 0
    assert verdict.unknown <= 2 * WINDOW


def test_a_killed_postgresql_backend_leaves_no_outcome_unknown(installation: Installation) -> None:
    with far_ends(installation, "smpp", SETTINGS, portion=PORTION, alpha=SLOW) as url:
        start(installation, "carriers alpha")
        installation.campaign(1, 600)
        await_move(installation, 300)
        [(victim, checkpointer)] = installation.rows(
            "SELECT max(pid) FILTER (WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),"
            " max(pid) FILTER (WHERE backend_type = 'checkpointer') FROM pg_stat_activity"
        )

        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: has_started_again(installation, checkpointer), 90, why="PostgreSQL is back")
        ask(f"{url}/alpha/script", "PUT", {})
        verdict = installation.all_is_well(60, statuses={"sent", "delivered"})

    assert verdict.messages == verdict.taken == sum(installation.submitted.values())
    assert (verdict.unknown, verdict.doubled) == (0, 0)


def has_started_again(installation: Installation, checkpointer: int) -> bool:
    """Tell whether PostgreSQL answers, and not as it did before it crashed."""
    try:
        pids = installation.world.rows("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    except DatabaseFault:
        return False
    return pids not in ([], [checkpointer])


def test_killed_processes_of_an_http_carrier_leave_only_their_open_requests_unknown(
    installation: Installation,
) -> None:
    with far_ends(installation, "http", SETTINGS, portion=PORTION, alpha=SLOW) as url:
        start(installation, "carriers alpha")
        installation.campaign(3, MESSAGES // 3)

        await_move(installation)
        whole("carriers alpha")(installation)
        for codes in range(1, CODES + 1):
            installation.submit(installation.order(1, **{"class": "otp"}))
            await_marked(installation, codes)
            child("lane")(installation)
        ask(f"{url}/alpha/script", "PUT", {})

        verdict = installation.all_is_well(60, statuses={"sent", "delivered"})

    assert verdict.messages == sum(installation.submitted.values()) >= MESSAGES + CODES
    assert verdict.taken >= verdict.messages - verdict.unknown
    assert verdict.doubled == 0
    assert verdict.unknown <= WINDOW + CODES


def await_marked(installation: Installation, codes: int) -> None:
    """Return when so many codes are on their way, or were."""
    marked = "SELECT count(*) FROM batches WHERE class = 'otp' AND marked IS NOT NULL"
    wait_for(lambda: installation.count(marked) >= codes, every=0.01, why="a code is on its way")
