"""The broker loses its data, crashes, and is unavailable for a while."""

import threading
import time

from tests.journeys.installation import Installation, wait_for


def test_a_broker_that_loses_its_data_during_a_campaign_loses_no_written_message(installation: Installation) -> None:
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


def test_a_broker_that_loses_its_data_before_the_segment_stage_loses_no_written_message(
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


def test_a_broker_killed_and_restarted_during_a_campaign_loses_no_message(installation: Installation) -> None:
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


def test_producers_wait_while_the_broker_is_down_and_workers_continue(installation: Installation) -> None:
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


def test_messages_submitted_after_a_broker_restart_are_sent_within_30_seconds(installation: Installation) -> None:
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
