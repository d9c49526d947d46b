"""The broker forgets everything, dies, and is away for a while."""

import threading
import time

from tests.journeys.installation import Installation, wait_for


def test_a_broker_that_forgets_everything_loses_nothing_that_was_written(installation: Installation) -> None:
    installation.environment["POSTROAD_PORTION_SIZE"] = "100"
    installation.play(alpha={"latency_ms": 50, "refuse_transient": 0.2}, beta={"latency_ms": 50})
    installation.start()
    installation.await_ready()
    installation.campaign(6, 1000)

    for _ in range(3):
        installation.await_progress()
        installation.forget()

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken, verdict.unknown) == (6000, 6000, 0)


def test_a_broker_that_forgets_before_anything_was_measured_loses_nothing_that_was_written(
    installation: Installation,
) -> None:
    installation.start("lane", "clock", "beat")
    installation.await_ready("lane")
    requests = installation.submit(*(installation.order(100, **{"class": "otp"}) for _ in range(10)))
    installation.await_written()
    installation.forget()

    verdict = installation.all_is_well()
    assert verdict.messages == 100 * len(requests)
    assert (verdict.taken, verdict.unknown) == (1000, 0)


def test_a_broker_killed_and_restarted_mid_campaign_loses_nothing(installation: Installation) -> None:
    installation.environment["POSTROAD_PORTION_SIZE"] = "100"
    installation.play(alpha={"latency_ms": 50})
    installation.start()
    installation.await_ready()
    installation.campaign(5, 1000)

    for _ in range(2):
        installation.await_progress()
        installation.pair.kill_valkey()
        installation.pair.restart_valkey()

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken, verdict.unknown) == (5000, 5000, 0)


def test_while_the_broker_is_away_producers_are_told_and_workers_go_on(installation: Installation) -> None:
    installation.environment["POSTROAD_PORTION_SIZE"] = "100"
    installation.play(alpha={"latency_ms": 200, "refuse_transient": 0.3}, beta={})
    installation.start()
    installation.await_ready()
    installation.campaign(3, 1000)
    wait_for(lambda: installation.decided() > 0, why="the campaign moves")

    installation.pair.kill_valkey()
    producing = threading.Thread(target=lambda: installation.submit(*(installation.order(50) for _ in range(20))))
    producing.start()
    time.sleep(5)
    assert producing.is_alive(), "nobody took an order while the broker was away"
    installation.pair.restart_valkey()
    producing.join(30)
    assert not producing.is_alive()

    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken, verdict.unknown) == (4000, 4000, 0)


def test_a_message_sent_after_the_broker_came_back_is_not_kept_waiting(installation: Installation) -> None:
    installation.start()
    installation.await_ready()
    installation.campaign(1, 1)
    installation.pair.kill_valkey()
    time.sleep(3)
    installation.pair.restart_valkey()

    began = time.monotonic()
    installation.submit(installation.order(1, **{"class": "otp"}), installation.order(1))
    verdict = installation.all_is_well()

    assert verdict.taken == 3
    assert time.monotonic() - began < 30
