"""The database crashes, restarts, and terminates connections."""

import threading
import time

from tests.journeys.installation import Installation

PORTION = 100


def test_a_database_that_crashes_twice_during_a_campaign_loses_no_message(installation: Installation) -> None:
    installation.environment["POSTROAD_PORTION_SIZE"] = str(PORTION)
    installation.play(alpha={"latency_ms": 100, "refuse_transient": 0.2}, beta={"latency_ms": 50})
    installation.start()
    installation.await_ready()
    installation.campaign(5, 1000)

    for _ in range(2):
        installation.await_progress()
        installation.pair.restart_postgres("immediate")

    verdict = installation.all_is_well()
    assert verdict.messages == 5000
    assert verdict.doubled == 0
    assert verdict.unknown <= 2 * 2 * PORTION


def test_orders_submitted_while_the_database_restarts_are_all_written(installation: Installation) -> None:
    installation.start()
    installation.await_ready()
    orders = [installation.order(20) for _ in range(100)]

    def produce() -> None:
        for order in orders:
            installation.submit(order)
            time.sleep(0.03)

    producing = threading.Thread(target=produce)
    producing.start()
    time.sleep(0.5)
    installation.pair.restart_postgres("immediate")
    time.sleep(0.5)
    installation.pair.restart_postgres("fast")
    producing.join(30)

    verdict = installation.all_is_well()
    assert verdict.messages == 2000
    assert (verdict.taken, verdict.doubled) == (2000, 0)


def test_orders_submitted_while_the_database_is_down_are_written_when_it_is_back(installation: Installation) -> None:
    installation.start()
    installation.await_ready()
    server = installation.pair.postgres
    assert server is not None
    server.end(server.stop_signal)

    installation.submit(*(installation.order(5) for _ in range(20)))
    time.sleep(4)
    installation.pair.restart_postgres()

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken) == (100, 100)


def test_repeatedly_terminated_database_connections_lose_no_message(installation: Installation) -> None:
    installation.environment |= {"POSTROAD_PORTION_SIZE": str(PORTION), "POSTROAD_POISON_CLAIMS": "20"}
    installation.play(alpha={"latency_ms": 50, "refuse_transient": 0.2}, beta={"latency_ms": 50})
    installation.start()
    installation.await_ready()
    installation.submit(*(installation.order(500) for _ in range(10)))

    for _ in range(10):
        time.sleep(0.2)
        throw_out(installation)

    verdict = installation.all_is_well()
    assert verdict.messages == 5000
    assert verdict.doubled == 0
    assert verdict.unknown <= 10 * 2 * PORTION


def throw_out(installation: Installation) -> None:
    """End every other connection to the installation's database."""
    installation.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
