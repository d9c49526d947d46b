"""The exporter: its figures are the installation's, it answers without its servers, and it reveals no message."""

import os
import re
import signal
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from pipeline.runtime import Runtime, Work
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.wallets import set_alert
from pipeline.stages.fold_counts import fold_counts
from pipeline.stages.settle import settle_on_arrival
from pipeline.store import carrier_binds, circuit_breakers, heartbeat, partitions
from pipeline.store.circuit_breakers import Breaker
from schema.carriage import BindReport, Receipt
from schema.vocabulary import ReceiptVerdict
from tests.forked_processes import forked, procfile
from tests.workers.conftest import Site, eventually
from tests.workers.metrics.scraped import Scrape, scraped
from tests.world import World, message_ids
from workers.metrics import metric_definitions
from workers.metrics.broker_state import BrokerState, BrokerWatch, read_broker
from workers.metrics.exporter import InstallationCollector
from workers.metrics.metric_definitions import MetricType
from workers.processes.health_checks import fault

NUMBERS = ("+2348012345678", "+2348012345679", "+447400123456")
TEXT = "Your ride arrives at 9."


def delivered(*messages: Any) -> list[Receipt]:
    return [
        Receipt("alpha", str(ref), ReceiptVerdict.DELIVERED, None, ref, code="000", at=None, raw="") for ref in messages
    ]


def test_the_figures_are_those_of_the_messages_that_were_sent(world: World) -> None:
    first, second, _ = message_ids(world.send(*NUMBERS))
    settle_on_arrival(world.rt, delivered(first, second))
    world.submit(world.order(*NUMBERS[:2], **{"class": "otp"}))
    fold_counts(world.rt)

    scrape = Scrape(scraped(world.rt))

    assert scrape("postroad_database_up") == scrape("postroad_valkey_up") == scrape("postroad_broker_up") == 1
    assert scrape("postroad_messages_total", country="NG", status="sent") == 2
    assert scrape("postroad_messages_total", country="GB", status="delivered") is None
    assert scrape("postroad_carrier_messages_total", carrier="alpha", status="delivered") == 2
    assert scrape("postroad_segments_total", carrier="alpha") == 3
    assert scrape("postroad_attempts_total", carrier="alpha", outcome="accepted") == 3
    assert scrape("postroad_receipts_total", carrier="alpha", verdict="delivered", code="000") == 2
    assert scrape("postroad_delivery_ratio", carrier="alpha") == 1
    assert scrape("postroad_queue_wait_seconds_count") == 3
    assert scrape("postroad_receipt_lag_seconds_bucket", carrier="alpha", le="+Inf") == 2
    assert scrape("postroad_delivery_seconds_count") == 2
    backlog = {"class": "otp", "carrier": "alpha"}
    assert scrape("postroad_backlog_messages", state="admitted", **backlog) == 2
    assert (scrape("postroad_oldest_due_seconds", **backlog) or 0) > 0
    assert scrape("postroad_partition_days_ahead", table="messages") == 7
    assert (scrape("postroad_database_bytes") or 0) > 1_000_000


def test_the_states_of_carriers_wallets_and_the_audit_are_exported(world: World) -> None:
    circuit_breakers.report(world.rt.valkey, {"alpha": (0, 20), "alpha/NG": (0, 20)})
    heartbeat.note(world.rt.valkey, world.rt.now())
    set_alert(world.rt, "acme", 2_000_000)
    world.run("UPDATE carriers SET segments_per_second = 10, receipt_seconds = 30 WHERE name = 'alpha'")
    with world.rt.begin() as conn:
        carrier_binds.write(conn, "alpha", "here", BindReport(1, 2))
    audit(world.rt)

    scrape = Scrape(scraped(world.rt))

    assert scrape("postroad_breaker_open", carrier="alpha") == 2
    assert (scrape("postroad_binds", carrier="alpha"), scrape("postroad_binds_wanted", carrier="alpha")) == (1, 2)
    assert scrape("postroad_carrier_limit_segments_per_second", carrier="alpha") == 10
    assert scrape("postroad_carrier_limit_used_ratio", carrier="alpha") == 0
    assert scrape("postroad_carrier_receipts_within_seconds", carrier="alpha") == 30
    assert (scrape("postroad_wallets_low"), scrape("postroad_wallet_left", account="acme")) == (1, 1_000_000)
    assert scrape("postroad_audit_broken_invariants") == 0
    assert abs((scrape("postroad_audit_timestamp_seconds") or 0) - world.rt.now().timestamp()) < 120
    assert abs((scrape("postroad_clock_tick_timestamp_seconds") or 0) - world.rt.now().timestamp()) < 120


def test_an_open_breaker_that_no_message_comes_to_probe_is_not_reported(world: World) -> None:
    assert world.rt.valkey is not None
    circuit_breakers.report(world.rt.valkey, {"alpha": (0, 20), "beta": (0, 20)})
    for carrier, seconds in (("alpha", 100), ("beta", 150)):
        over = int((time.time() - seconds) * 1000)
        world.rt.valkey.hset(f"postroad:health:{carrier}", "open", str(over))

    scrape = Scrape(scraped(world.rt))

    assert scrape("postroad_breaker_open", carrier="alpha") == 1
    assert not scrape("postroad_breaker_open", carrier="beta")
    assert circuit_breakers.acquire(world.rt.valkey, ["beta"], 5)["beta"] is Breaker.PROBE


@pytest.mark.unsound("drops messages")
def test_no_counter_falls_when_thirty_partitions_are_dropped(world: World) -> None:
    today = world.rt.now().date()
    days = [today - timedelta(days=back) for back in range(1, 31)]
    with world.rt.begin() as conn:
        partitions.prepare(conn, days)
    first, *_ = message_ids(world.send(*NUMBERS))
    settle_on_arrival(world.rt, delivered(first))
    fold_counts(world.rt)
    before = Scrape(scraped(world.rt))

    with world.rt.begin() as conn:
        for day in days:
            for table in ("messages", "provider_attempts", "campaign_rows"):
                partitions.drop(conn, f"{table}_{day:%Y%m%d}")
        partitions.drop(conn, f"messages_{today:%Y%m%d}")
    after = Scrape(scraped(world.rt))

    assert (before("postroad_partitions", table="messages") or 0) > 30 > (after("postroad_partitions") or 0)
    assert len(before.counters()) > 10
    assert all(after.counters()[sample] >= value for sample, value in before.counters().items())


def test_no_number_text_or_correlation_id_is_exported(world: World) -> None:
    world.add_carrier("alpha", {"refuse:2348012345678": 0.5})
    world.send(recipients=[{"to": number, "correlation_id": "order-4711"} for number in NUMBERS], body=TEXT)
    fold_counts(world.rt)

    text = scraped(world.rt)

    assert "postroad_attempts_total" in text
    assert not [word for word in (*NUMBERS, TEXT, "4711") if word.lstrip("+") in text]
    assert not re.findall(r'="[^"\n]*\d{7}[^"\n]*"', text)


def test_every_metric_that_is_exported_is_defined_with_its_labels(world: World) -> None:
    world.send(*NUMBERS)
    fold_counts(world.rt)
    known = {each.name.removesuffix("_total"): each for each in metric_definitions.INSTALLATION}

    scrape = Scrape(scraped(world.rt))

    assert set(scrape.families) == set(known)
    for name, family in scrape.families.items():
        assert MetricType(family.type) is known[name].type
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(known[name].labels)


def test_without_the_database_only_what_the_others_know_is_exported(world: World) -> None:
    away = world.rt.settings.model_copy(
        update={
            "database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none"),
            "valkey_url": SecretStr("redis://127.0.0.1:1/0"),
        }
    )
    rt = Runtime(away, deadlines=Work.METRICS.value)

    scrape = Scrape(scraped(rt))
    rt.close()

    assert (scrape("postroad_database_up"), scrape("postroad_valkey_up"), scrape("postroad_broker_up")) == (0, 0, 1)
    assert scrape("postroad_workers", worker="clock") == 1
    assert (
        scrape("postroad_messages_total")
        is scrape("postroad_database_bytes")
        is scrape("postroad_breaker_open")
        is None
    )


def test_a_database_that_is_locked_is_reported_as_away(world: World) -> None:
    rt = Runtime(world.rt.settings, deadlines=Work.METRICS.value)

    with world.rt.begin() as conn:
        conn.exec_driver_sql("LOCK TABLE batches IN ACCESS EXCLUSIVE MODE")
        scrape = Scrape(scraped(rt))
    after = Scrape(scraped(rt))
    rt.close()

    assert (scrape("postroad_database_up"), after("postroad_database_up")) == (0, 1)


def test_scrapes_at_once_read_the_database_once(world: World) -> None:
    collector = InstallationCollector(world.rt, BrokerWatch(world.rt))
    registry = CollectorRegistry()
    registry.register(collector)
    found: list[bytes] = []

    threads = [threading.Thread(target=lambda: found.append(generate_latest(registry))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len({re.search(rb"postroad_metrics_read_seconds (\S+)\n", each) for each in found}) == 8
    assert len({line for each in found for line in each.splitlines() if line.startswith(b"postroad_metrics_read")}) == 1


def test_workers_that_answer_are_counted_by_name(site: Site) -> None:
    assert read_broker(site.broker_url, {}).workers == {"worker": 0, "lane": 0, "clock": 0}
    site.start_worker("-n", "clock@%h")

    states: list[BrokerState] = []

    def answered() -> bool:
        states.append(read_broker(site.broker_url, {}))
        return states[-1].workers["clock"] > 0

    eventually(answered)  # a busy machine's worker may take more than a second

    assert (states[-1].is_up, states[-1].workers) == (True, {"worker": 0, "lane": 0, "clock": 1})
    assert set(states[-1].depths) >= {"ingest", "bill", "clock"}
    assert not read_broker("redis://127.0.0.1:1/0", {}).is_up


def test_the_process_answers_while_database_and_broker_are_away_and_ends_on_sigterm(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "BROKER_URL": "redis://127.0.0.1:1/0"}
    environment = os.environ | away | {"POSTROAD_METRICS_PORT": str(port), "POSTROAD_HOME": str(tmp_path)}
    process = forked().start(procfile("metrics", environment), log=tmp_path / "log", environment=environment)
    try:
        eventually(lambda: is_listening(port) or process.poll() is not None)
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            scrape = Scrape(answer.read().decode())
        unhealthy = fault("metrics", environment)
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 0
        assert unhealthy is None
        assert fault("metrics", environment)
        servers = ("database", "broker", "valkey")
        assert [scrape(f"postroad_{server}_up") for server in servers] == [0, 0, 0]
    finally:
        process.kill()
        process.wait(20)


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
