"""The alerts: each fires for its fault, as it is caused here and scraped, and none fires without one."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from pipeline.runtime import Runtime, Work
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.admin.wallets import set_alert
from pipeline.stages.fold_counts import fold_counts
from pipeline.stages.settle import settle_on_arrival
from pipeline.store import audit_findings, carrier_binds, circuit_breakers, dead_letters, heartbeat, partitions
from pipeline.store.api import webhook_deliveries
from schema.carriage import BindReport, Receipt
from schema.dead_letter import DeadLetter
from schema.vocabulary import CarrierState, DeadLetterSource, ReceiptVerdict
from tests.api.conftest import RunningGateway
from tests.deploy.promtool import RULES, Phase, assert_firing, run_promtool
from tests.stages.launched import Launched, numbers
from tests.workers.metrics.scraped import BROKER, Scrape, scraped
from tests.world import World, message_ids
from workers.broker.queue_depths import queue_depths
from workers.broker.unread_queues import unread
from workers.lab.embedded import development
from workers.metrics.broker_state import BrokerState, read_broker

RUNBOOK = RULES.parents[2] / "docs" / "runbook.md"
#: a broker where nothing listens, and such a database
NOWHERE = "redis://127.0.0.1:1/0"
AWAY: dict[str, Any] = {"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")}
#: minutes before a fault, and for which it lasts
BEFORE, LASTS = 70, 75

_WEBHOOKS = """
INSERT INTO webhook_deliveries (id, concurrency_key, event_id, message_id, status, at, due_at)
SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'sent', now(),
       now() - %(minutes)s * interval '1 minute' FROM generate_series(1, %(count)s) RETURNING id
"""


def receipts(messages: list[Any], verdict: ReceiptVerdict) -> list[Receipt]:
    return [Receipt("alpha", str(ref), verdict, None, ref, code="1", at=None, raw="") for ref in messages]


@dataclass
class Scene:
    """An installation on which faults are caused."""

    world: World
    broker: redis.Redis
    broker_url: str

    def scrape(self, broker: BrokerState = BROKER, **settings: Any) -> Scrape:
        """Return a scrape, of other settings if some are given."""
        fold_counts(self.world.rt)
        if not settings:
            return Scrape(scraped(self.world.rt, broker))
        rt = Runtime(self.world.rt.settings.model_copy(update=settings), deadlines=Work.METRICS.value)
        try:
            return Scrape(scraped(rt, broker))
        finally:
            rt.close()

    def begin(self) -> None:
        """Send two messages, of which one is delivered, let the clock tick and the audit run."""
        now = self.world.rt.now()
        heartbeat.note(self.world.rt.valkey, now)
        with self.world.rt.begin() as conn:
            audit_findings.write(conn, {"I1": 0}, now)
        first, second = message_ids(self.world.send("+2348012345678", "+2348012345679"))
        settle_on_arrival(self.world.rt, receipts([first], ReceiptVerdict.DELIVERED))
        settle_on_arrival(self.world.rt, receipts([second], ReceiptVerdict.FAILED))


@pytest.fixture
def scene(world: World, pair: development.EmbeddedServers) -> Iterator[Scene]:
    """Yield a sound installation, with a database of the broker for itself."""
    url = pair.broker_url.rpartition("/")[0] + "/15"
    with redis.Redis.from_url(url) as broker:
        found = Scene(world, broker, url)
        found.begin()
        yield found
        broker.flushdb()


Fault = Callable[[Scene], Scrape | None]


def beat_stops(scene: Scene) -> None:
    heartbeat.note(scene.world.rt.valkey, scene.world.rt.now() - timedelta(minutes=5))


def valkey_loses_the_tick(scene: Scene) -> None:
    assert scene.world.rt.valkey is not None
    scene.world.rt.valkey.delete("postroad:ticked-at")


def tasks_pile_up(scene: Scene) -> Scrape:
    scene.broker.rpush("postroad:bill", *range(10_001))
    return scene.scrape(replace(BROKER, depths=queue_depths(scene.broker_url, ["bill"])))


def a_producer_has_no_key_prefix(scene: Scene) -> Scrape:
    scene.broker.rpush("ingest", "{}")
    return scene.scrape(replace(BROKER, unread=sum(each.messages for each in unread(scene.broker_url))))


def nobody_prices_a_code(scene: Scene) -> None:
    scene.world.submit(scene.world.order(**{"class": "otp"}))
    scene.world.run("UPDATE batches SET due_at = now() - interval '2 minutes' WHERE status = 'admitted'")


def the_only_carrier_is_drained(scene: Scene) -> None:
    hints = scene.world.pay(scene.world.submit(scene.world.order()))
    set_carrier_state(scene.world.rt, "alpha", CarrierState.DRAINED, "works")
    scene.world.deliver_all(hints)


def the_carrier_never_responds(scene: Scene) -> None:
    scene.world.add_carrier("alpha", {"silent": 1.0})
    scene.world.send(*numbers(101))
    circuit_breakers.close(scene.world.rt.valkey, "alpha")


def a_campaign_runs_out_of_money(scene: Scene) -> None:
    scene.world.run("UPDATE prices SET per_segment = 2000000")
    Launched(scene.world, numbers(5)).run()


def nobody_submits(scene: Scene) -> None:
    scene.world.pay(scene.world.submit(scene.world.order()))


def receipts_stop(scene: Scene) -> None:
    scene.world.send(*numbers(150))


def most_receipts_say_failed(scene: Scene) -> None:
    messages = message_ids(scene.world.send(*numbers(60)))
    settle_on_arrival(scene.world.rt, receipts(messages, ReceiptVerdict.FAILED))


def a_breaker_opens(scene: Scene) -> None:
    circuit_breakers.report(scene.world.rt.valkey, {"alpha": (0, 20)})


def a_bind_is_lost(scene: Scene) -> None:
    with scene.world.rt.begin() as conn:
        carrier_binds.write(conn, "alpha", "here", BindReport(1, 2, "0x0d"))


def the_notifier_is_gone(scene: Scene) -> None:
    scene.world.rows(_WEBHOOKS, minutes=10, count=1)


def an_endpoint_is_removed(scene: Scene) -> None:
    waiting = scene.world.rows(_WEBHOOKS, minutes=0, count=11)
    with scene.world.rt.begin() as conn:
        webhook_deliveries.abandon(conn, waiting)


def unreadable_input(count: int) -> Callable[[Scene], None]:
    def come(scene: Scene) -> None:
        letters = [DeadLetter(DeadLetterSource.BROKER, "ingest", "not_json", b"{")] * count
        with scene.world.rt.begin() as conn:
            dead_letters.add(conn, None, scene.world.rt.new_ids(), letters)

    return come


def money_appears(scene: Scene) -> None:
    scene.world.run("UPDATE wallets SET balance = balance + 1")
    audit(scene.world.rt)


def nobody_runs_the_audit(scene: Scene) -> None:
    scene.world.run("UPDATE audit_findings SET checked_at = checked_at - interval '3 days'")


def maintenance_fails(scene: Scene) -> None:
    with scene.world.rt.begin() as conn:
        for ahead in range(3, 8):
            partitions.drop(conn, f"messages_{scene.world.rt.now().date() + timedelta(days=ahead):%Y%m%d}")


#: alert → its fault, and for how many minutes it lasts; one that returns no scrape changes what is scraped then
FAULTS: dict[str, tuple[Fault, int]] = {
    "PostroadMetricsMissing": (lambda _: Scrape(""), LASTS),
    "PostroadDatabaseDown": (lambda scene: scene.scrape(**AWAY), LASTS),
    "PostroadBrokerDown": (lambda scene: scene.scrape(read_broker(NOWHERE, {})), LASTS),
    "PostroadValkeyDown": (lambda scene: scene.scrape(valkey_url=SecretStr(NOWHERE)), LASTS),
    "PostroadClockStopped": (beat_stops, LASTS),
    "PostroadClockStopped, Valkey restarted": (valkey_loses_the_tick, LASTS),
    "PostroadWorkerGone": (lambda scene: scene.scrape(read_broker(scene.broker_url, {})), LASTS),
    "PostroadQueueGrowing": (tasks_pile_up, LASTS),
    "PostroadUnreadTasks": (a_producer_has_no_key_prefix, LASTS),
    "PostroadMessagesLate": (nobody_prices_a_code, LASTS),
    "PostroadMessagesHeld": (the_only_carrier_is_drained, LASTS),
    "PostroadMessagesInDoubt": (the_carrier_never_responds, LASTS),
    "PostroadCampaignWaiting": (a_campaign_runs_out_of_money, LASTS),
    "PostroadWalletLow": (lambda scene: set_alert(scene.world.rt, "acme", 2_000_000), LASTS),
    "PostroadCarrierSilent": (nobody_submits, LASTS),
    "PostroadReceiptsMissing": (receipts_stop, 20),
    "PostroadBreakerOpen": (a_breaker_opens, LASTS),
    "PostroadBindDown": (a_bind_is_lost, LASTS),
    "PostroadDeliveryRatioLow": (most_receipts_say_failed, 20),
    "PostroadWebhooksLate": (the_notifier_is_gone, LASTS),
    "PostroadWebhooksDead": (an_endpoint_is_removed, 20),
    "PostroadDeadLetters": (unreadable_input(1), 20),
    "PostroadDeadListFilling": (unreadable_input(1700), LASTS),
    "PostroadAuditBroken": (money_appears, LASTS),
    "PostroadAuditOld": (nobody_runs_the_audit, LASTS),
    "PostroadPartitionsEnding": (maintenance_fails, LASTS),
}


@pytest.mark.unsound("causes faults by hand")
@pytest.mark.parametrize("name", FAULTS)
def test_an_alert_fires_for_its_fault_and_no_other_does(scene: Scene, name: str, tmp_path: Path) -> None:
    fault, minutes = FAULTS[name]
    before = Phase(scene.scrape(), BEFORE, time.time())

    after = fault(scene) or scene.scrape()

    assert_firing(tmp_path, [before, Phase(after, minutes, time.time())], {name.partition(",")[0]})


@pytest.mark.unsound("drops messages")
def test_nothing_fires_when_thirty_partitions_are_dropped(scene: Scene, tmp_path: Path) -> None:
    today = scene.world.rt.now().date()
    names = [f"messages_{today - timedelta(days=back):%Y%m%d}" for back in range(31)]
    with scene.world.rt.begin() as conn:
        partitions.prepare(conn, [today - timedelta(days=back) for back in range(1, 31)])
    before = Phase(scene.scrape(), BEFORE, time.time())

    with scene.world.rt.begin() as conn:
        for name in names:
            partitions.drop(conn, name)

    assert_firing(tmp_path, [before, Phase(scene.scrape(), LASTS, time.time())], set())


def test_errors_of_the_gateway_are_reported(scene: Scene, tmp_path: Path) -> None:
    away = scene.world.rt.settings.model_copy(
        update=AWAY | {"secret_key": SecretStr("a secret of these tests, long enough")}
    )
    gateway = RunningGateway(Runtime(away))
    registry = CollectorRegistry()
    registry.register(gateway.gateway.metrics)

    def scrape() -> Scrape:
        return Scrape(scene.scrape().text + generate_latest(registry).decode())

    try:
        gateway.ask("GET", "/robase/nowhere")
        phases = [Phase(scrape(), BEFORE, time.time())]
        for _ in range(12):
            answer = gateway.ask("GET", "/robase/v1/sms", headers={"Authorization": "Bearer rb_test_" + "a" * 32})
            assert answer.status == 503, answer.body
            phases.append(Phase(scrape(), 1, time.time()))
    finally:
        gateway.close()
        gateway.rt.close()

    assert_firing(tmp_path, phases, {"PostroadGatewayErrors"})


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_rules() -> None:
    done = run_promtool("check", "rules", RULES)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_and_has_a_section_of_the_runbook_with_what_to_do() -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL))

    assert {each["alert"] for each in alerts()} == set(sections)
    assert set(sections) == {name.partition(",")[0] for name in FAULTS} | {"PostroadGatewayErrors"}
    for alert in alerts():
        name = alert["alert"]
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert alert["annotations"]["summary"]
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert all(f"**{word}:**" in sections[name] for word in ("Means", "Look at", "Do"))
