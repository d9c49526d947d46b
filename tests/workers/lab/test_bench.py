import json
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from pipeline.settings import Settings
from tests.world import World
from workers import generated_secrets
from workers.cli.commands import bench as command
from workers.lab.bench.bench_producers import bulk, codes
from workers.lab.bench.full_run import _carriers, run
from workers.lab.bench.latency import spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BULK, CODES, BenchSetup
from workers.lab.bench.table import table
from workers.lab.embedded import development

# a bench starts the processes of production several times over
pytestmark = pytest.mark.timeout(400)

#: everything once, as little of it as can be
TINY = BenchPlan(
    messages=60, batch=20, children=1, scheduled=2000, codes=3, beside=100, ticks=5, calls=20, connections=4
)
TINY = replace(TINY, gateways=1, steady=(1000, 20), large=(120, 1), ahead=0.5, pauses=(0.02, 0.03))
# a pause takes as long as its slowest carrier: a minute
TINY = replace(TINY, rows=200, campaign_pauses=0)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With the secret key that the ground makes for itself."""
    return settings.model_copy(
        update={"secret_key": SecretStr(generated_secrets.password(settings.home, "secret_key"))}
    )


def the_road_carries_every_message_once(result: dict[str, Any]) -> None:
    road = result["road"]

    assert (road["carrier"], road["until"]) == ("simulated", "recorded")
    assert road["messages"] == road["submit_to_mark_ms"]["count"] == 60
    assert road["attempts"] == {"accepted": 60}
    assert road["rows_a_message"]["messages"]["inserted"] == 1
    assert road["rows_a_message"]["messages"]["updated"] == 2
    assert road["rows_a_message"]["provider_attempts"]["inserted"] == 1
    assert road["wal_bytes_a_message"] > 0
    assert road["messages_a_second"] > 0


def the_ceiling_is_measured_beside_it(result: dict[str, Any]) -> None:
    assert set(result["ceiling"]) == set(result["road"]["share_of_ceiling"]) == {"1"}
    assert result["ceiling"]["1"]["messages"] > 0


def each_code_is_timed_alone_and_beside_bulk(result: dict[str, Any]) -> None:
    for times in (result["lane"]["alone"], result["lane"]["beside_bulk"]):
        assert times["submit_to_carrier_ms"]["count"] == 3
        assert times["submit_to_carrier_ms"]["p50"] > 0


def the_clock_promotes_what_is_due_and_nothing_else(result: dict[str, Any]) -> None:
    clock = result["clock"]

    assert clock["in_full_batches"]["promoted_messages"] == 2000
    assert clock["in_batches_of_one"]["promoted_messages"] == 200
    assert set(clock["us_a_due_batch_by_waiting"]) == {"200", "10000"}


def every_call_of_a_connection_is_answered_and_delivered(result: dict[str, Any]) -> None:
    doors = result["doors"]

    for dialect, accepted in (("solaris", "202"), ("robase", "202"), ("telesign", "200"), ("webex", "200")):
        assert doors[dialect]["statuses"] == {accepted: 20}
        assert doors[dialect]["delivered"] == doors[dialect]["answered_in_ms_at_1000_a_second"]["count"] == 20
    assert doors["webex_large"]["statuses"] == {"200": 1}
    assert doors["empty_handler"]["calls_a_second"] > 0


def a_campaign_is_loaded_and_sent(result: dict[str, Any]) -> None:
    campaign = result["campaign"]

    assert campaign["rows"] == 200
    assert campaign["handed_over_a_second"] > 0


def no_invariant_is_broken_by_it(result: dict[str, Any]) -> None:
    assert result["audit"]
    assert not any(result["audit"].values())


def the_summary_has_a_line_for_each_part(result: dict[str, Any]) -> None:
    said = "\n".join(command._summary(result))

    for part in ("road", "ceiling", "lane", "clock", "campaign", "audit    0 broken"):
        assert f"\n{part}" in f"\n{said}"


FACTS = (
    the_road_carries_every_message_once,
    the_ceiling_is_measured_beside_it,
    each_code_is_timed_alone_and_beside_bulk,
    the_clock_promotes_what_is_due_and_nothing_else,
    every_call_of_a_connection_is_answered_and_delivered,
    a_campaign_is_loaded_and_sent,
    no_invariant_is_broken_by_it,
    the_summary_has_a_line_for_each_part,
)


def test_a_complete_bench_measures_every_part(subtests: pytest.Subtests) -> None:
    result: dict[str, Any] = json.loads(json.dumps(run(TINY)))

    # one test, lest each process that runs tests makes a bench of its own
    for fact in FACTS:
        with subtests.test(fact.__name__):
            fact(result)


def test_an_smpp_bench_waits_for_receipts_and_measures_the_carrier_process() -> None:
    answer = run(replace(TINY, carrier="smpp", receipts=True, parts=("road",)))
    road = answer["road"]

    assert (road["carrier"], road["until"]) == ("smpp", "delivered")
    assert road["attempts"] == {"accepted": 60}
    assert {"worker", "carriers", "simulator", "postgresql"} <= set(road["cpu_us_a_message"])
    assert not any(answer["audit"].values())


def test_the_http_benchmark_sends_only_bulk_to_the_simulator(world: World) -> None:
    settings = world.rt.settings
    (settings.home / "logs").mkdir()
    pair = development.EmbeddedServers(
        settings.database_url.get_secret_value(), settings.broker_url.get_secret_value(), settings.home
    )
    world.run("DELETE FROM routes")

    with ExitStack() as stack:
        [simulator] = _carriers(BenchSetup(pair), replace(TINY, carrier="http"), stack)
        for number in ("+2348012345678", "+27821234567"):
            world.send(number)
        simulator.check()

    taken = world.rows(
        "SELECT country, carrier, outcome FROM provider_attempts AS a JOIN messages AS m ON m.id = a.message_id"
        " ORDER BY country"
    )
    assert taken == [("NG", BULK, "accepted"), ("ZA", CODES, "accepted")]


def test_the_table_shows_median_minimum_and_maximum() -> None:
    lines = list(table([{"road": {"messages_a_second": rate}} for rate in (9000, 12_000, 10_500)]))

    assert lines[2:] == ["| road: messages/s | 10,500 | 9,000 – 12,000 |"]


def test_an_unknown_part_is_refused() -> None:
    said = CliRunner().invoke(command.bench, ["--only", "road,moon"])

    assert said.exit_code == 2
    assert "'moon' is not one of road, lane, ceiling, clock" in said.output


@pytest.mark.parametrize("options", [("--smpp", "127.0.0.1:2775"), ("--carrier", "http", "--receipts")])
def test_smpp_options_are_refused_for_other_carriers(options: tuple[str, ...]) -> None:
    said = CliRunner().invoke(command.bench, options)

    assert said.exit_code == 2
    assert "go with --carrier smpp" in said.output


def test_the_smpp_option_needs_host_and_port() -> None:
    assert "'smsc' is not HOST:PORT" in CliRunner().invoke(command.bench, ["--smpp", "smsc"]).output


def test_every_generated_recipient_number_is_unique() -> None:
    numbers = [recipient["to"] for order in (*bulk(3, 1000), *codes(50)) for recipient in order["recipients"]]

    assert len(set(numbers)) == len(numbers) == 3050


def test_spread_computes_percentiles() -> None:
    assert spread(n / 1000 for n in range(1, 101)) == {"count": 100, "p50": 50, "p95": 95, "p99": 99, "max": 100}
