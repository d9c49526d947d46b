"""The notifier: real calls to a real server, with failures, slow responses, and crashes."""

import asyncio
import json
import os
import re
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from robasedev.webhooks import verify_webhook_signature

from pipeline.dialects.registry import DIALECTS
from pipeline.dialects.robase import webhooks as robase
from pipeline.runtime import Runtime
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from tests.dialects.vendors import Vendor
from tests.forked_processes import ForkedProcess, forked
from tests.workers.webhooks.receiver import Accepted, Answer, Receiver, flood, hang, status, until
from tests.world import World, message_ids
from workers.webhooks.endpoint_window import EndpointWindows
from workers.webhooks.notifier import Notifier
from workers.webhooks.webhook_client import WebhookClient

ROOT = Path(__file__).resolve().parents[3]


def make(world: World, url: str, dialect: Vendor = Vendor.ROBASE) -> tuple[UUID, str]:
    made, secret = webhook_endpoints.create(world.rt, world.account, DIALECTS[dialect], url, verify=lambda *_: None)
    return made.id, secret


class Hasty:
    """Robase's webhooks, as they are but for their waits."""

    SCHEDULE = (0.05,) * 50
    TIMEOUT = 15.0
    SUCCESSES = robase.SUCCESSES
    compose = staticmethod(robase.compose)


def run(
    rt: Runtime, until: Callable[[], bool], seconds: float = 30.0, formatters: Mapping[str, Any] | None = None
) -> None:
    """Let a notifier of this process work until something holds."""

    async def work() -> None:
        stop = asyncio.Event()
        async with WebhookClient(webhook_endpoints.allowed_addresses(rt)) as caller:
            working = asyncio.create_task(Notifier(rt, caller, formatters).run(stop))
            deadline = time.monotonic() + seconds
            while not await asyncio.to_thread(until):
                assert time.monotonic() < deadline, "it did not come to that"
                assert not working.done(), working.exception()
                await asyncio.sleep(0.05)
            stop.set()
            await working

    asyncio.run(work())


def events(accepted: list[Accepted]) -> list[str]:
    return [each.headers["Robase-Event"] for each in accepted]


def ids(accepted: list[Accepted]) -> list[str]:
    return [json.loads(each.body)["id"] for each in accepted]


def by_message(accepted: list[Accepted]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in accepted:
        said = json.loads(each.body)
        found.setdefault(said["data"]["sms_id"], []).append(said["type"])
    return found


def is_done(world: World, count: int) -> Callable[[], bool]:
    """Tell whether so many calls are done."""
    return lambda: world.rows("SELECT count(*) FROM webhook_deliveries WHERE state <> 'waiting'") == [count]


def test_an_endpoint_receives_signed_events_of_a_message(world: World, receiver: Receiver) -> None:
    _, secret = make(world, receiver.url("/hooks"))
    message = world.send().messages[0]

    run(world.rt, is_done(world, 2))

    assert events(receiver.accepted) == ["sms.queued", "sms.sent"]
    for each in receiver.accepted:
        assert json.loads(each.body)["data"]["sms_id"] == str(message)
        verify_webhook_signature(payload=each.body, header=each.headers["Robase-Signature"], secret=secret)
    assert world.rows("SELECT state, answer, tries FROM webhook_deliveries") == [("delivered", "200", 1)] * 2


def test_each_dialect_has_its_own_event_names_and_omits_some_events(world: World, receiver: Receiver) -> None:
    make(world, receiver.url("/solaris"), Vendor.SOLARIS)
    make(world, receiver.url("/robase"))
    world.send()

    run(world.rt, is_done(world, 4))

    words = [each.headers["Solaris-Webhook-Event-Type"] for each in receiver.accepted if each.path == "/solaris"]
    assert words == ["SMS_MESSAGE_SENT"]
    assert sorted(world.rows("SELECT answer FROM webhook_deliveries")) == ["200", "200", "200", "unsaid"]


def test_the_events_of_a_message_arrive_in_order_despite_failures(world: World, receiver: Receiver) -> None:
    make(world, receiver.url())
    tries = iter(range(10_000))

    def now_and_then(request: web.Request) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        return status(200 if next(tries) % 3 else 500)(request)

    receiver.answers["/"] = now_and_then
    world.send(*[f"+23480123456{n:02}" for n in range(12)])

    run(world.rt, is_done(world, 24), 90, {Vendor.ROBASE: Hasty()})

    notification = by_message(receiver.accepted)
    assert len(notification) == 12
    for words in notification.values():
        assert words.index("sms.sent") == len([each for each in words if each == "sms.queued"])
        assert set(words) == {"sms.queued", "sms.sent"}


def test_a_slow_endpoint_does_not_delay_others(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # however slow this machine is, no call of the slow one ends before all of the quick one have
    monkeypatch.setattr(robase, "TIMEOUT", 3600.0)
    released, slow = threading.Event(), 0
    make(world, receiver.url("/slow"))
    make(world, receiver.url("/quick"))
    receiver.answers["/slow"] = until(released)
    world.send(*[f"+2348012345{n:03}" for n in range(60)])
    quick = """
        SELECT count(*) FROM webhook_deliveries AS d JOIN webhook_endpoints AS e ON e.id = concurrency_key
        WHERE url LIKE '%%quick' AND d.state = 'delivered'
    """

    def quick_are_done() -> bool:
        nonlocal slow
        slow = len([each for each in receiver.accepted if each.path == "/slow"])
        if world.rows(quick) == [120]:
            released.set()
        return released.is_set()

    run(world.rt, quick_are_done, 100)

    assert 0 < slow <= world.rt.settings.webhook_lane


@pytest.mark.parametrize(
    ("answer", "word", "state"),
    [
        (status(500), "500", "waiting"),
        (status(302, Location="http://127.0.0.1:1/"), "302", "waiting"),
        (status(404), "404", "waiting"),
        (status(410), "410", "waiting"),
        (status(204), "204", "delivered"),
        (flood, "200", "delivered"),
    ],
)
def test_only_a_2xx_response_counts_as_delivered(
    world: World, receiver: Receiver, answer: Answer, word: str, state: str
) -> None:
    make(world, receiver.url())
    receiver.answers["/"] = answer
    world.run("UPDATE wallets SET balance = 0")
    world.send()

    run(world.rt, lambda: world.rows("SELECT answer FROM webhook_deliveries") == [word])

    assert world.rows("SELECT state, tries FROM webhook_deliveries") == [(state, 1)]
    assert world.rows("SELECT state FROM webhook_endpoints") == ["suspended" if word == "410" else "active"]
    assert len(receiver.accepted) == 1


@pytest.mark.parametrize(
    ("code", "said", "least", "most"),
    [
        pytest.param(429, "3600", 3500, 4500, id="an hour"),
        pytest.param(503, "3600", 3500, 4500, id="an hour, while it is away"),
        pytest.param(429, "in an hour", 3500, 4500, id="a date"),
        pytest.param(429, "999999", 86_000, 104_000, id="longer than anything waits"),
        pytest.param(429, "9" * 12, 86_000, 104_000, id="for thousands of years"),
        pytest.param(503, "9" * 400, 86_000, 104_000, id="for more than a number holds"),
        pytest.param(503, "Fri, 31 Dec 9999 23:59:59 GMT", 86_000, 104_000, id="until the end of dates"),
        pytest.param(429, "1", 4, 7, id="sooner than the schedule"),
        pytest.param(429, "soon", 4, 7, id="nothing that can be read"),
        pytest.param(429, "-5", 4, 7, id="the past"),
        pytest.param(500, "3600", 4, 7, id="with an answer that has no such header"),
    ],
)
def test_retry_after_of_an_endpoint_delays_the_next_attempt(
    world: World, receiver: Receiver, code: int, said: str, least: int, most: int
) -> None:
    make(world, receiver.url("/busy"))
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    notification = {"Retry-After": date if said == "in an hour" else said}
    receiver.answers["/busy"] = lambda _request: web.Response(status=code, headers=notification)
    world.send()

    run(world.rt, lambda: world.rows("SELECT answer FROM webhook_deliveries WHERE answer IS NOT NULL") != [])

    tried = "webhook_deliveries WHERE answer IS NOT NULL"
    waits = world.rows(f"SELECT extract(epoch FROM due_at - now())::int FROM {tried}")
    assert all(least <= wait <= most for wait in waits), waits
    assert world.rows(f"SELECT DISTINCT answer FROM {tried}") == [str(code)]


def test_retry_after_of_an_endpoint_delays_its_other_deliveries() -> None:
    windows, channel = EndpointWindows(16), UUID(int=7)

    windows.judge(channel, accepted=False, began=0.0, now=1.0, asked=600.0)

    assert windows.rooms(600.0) == {channel: 0}
    assert windows.rooms(602.0)[channel] > 0


def test_an_endpoint_with_a_forbidden_address_is_not_called_and_counts_as_failing(
    world: World, receiver: Receiver
) -> None:
    make(world, receiver.url())
    world.run("UPDATE webhook_endpoints SET url = replace(url, '127.0.0.1', '127.0.0.2')")
    world.send()

    run(world.rt, lambda: "url_unfit" in world.rows("SELECT answer FROM webhook_deliveries"))

    assert receiver.accepted == []
    assert world.rows("SELECT failing_since IS NOT NULL FROM webhook_endpoints") == [True]


def test_a_replayed_delivery_has_the_same_event_id(world: World, receiver: Receiver) -> None:
    make(world, receiver.url())
    [message] = message_ids(world.send())
    run(world.rt, is_done(world, 2))

    webhook_deliveries.replay(world.rt, None, [message])
    run(world.rt, lambda: len(receiver.accepted) == 4 and is_done(world, 2)())

    assert events(receiver.accepted) == ["sms.queued", "sms.sent"] * 2
    assert ids(receiver.accepted)[:2] == ids(receiver.accepted)[2:]


# As a process --------------------------------------------------------------------------------------------------


@contextmanager
def process(world: World, log: str = "notifier.log") -> Iterator[ForkedProcess]:
    """A notifier of its own, as the Procfile starts it."""
    given = world.rt.settings
    ours = {
        "POSTROAD_DATABASE_URL": given.database_url.get_secret_value(),
        "POSTROAD_SECRET_KEY": given.secret_key.get_secret_value(),
        "POSTROAD_WEBHOOK_NETWORKS": json.dumps(given.webhook_networks),
        "POSTROAD_HOME": str(given.home),
        "PYTHONPATH": str(ROOT),
    }
    started = forked().start(["postroad", "notifier"], log=given.home / log, environment=os.environ | ours)
    try:
        yield started
    finally:
        started.kill()
        started.wait(30)


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_the_open_delivery_of_a_killed_notifier_is_repeated_after_its_lease(world: World, receiver: Receiver) -> None:
    make(world, receiver.url())
    receiver.answers["/"] = hang
    world.send()
    with process(world) as killed:
        eventually(lambda: len(receiver.accepted) == 1)
        killed.kill()
        killed.wait(30)
    del receiver.answers["/"]
    assert world.rows("SELECT tries, due_at > now() FROM webhook_deliveries WHERE status = 'queued'") == [(1, True)]

    world.run("UPDATE webhook_deliveries SET due_at = now()")
    run(world.rt, is_done(world, 2))

    assert events(receiver.accepted) == ["sms.queued", "sms.queued", "sms.sent"]
    assert ids(receiver.accepted)[0] == ids(receiver.accepted)[1]


def test_the_notifier_finishes_its_open_calls_on_sigterm(world: World, receiver: Receiver) -> None:
    async def slowly(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1.5)
        return web.Response()

    make(world, receiver.url())
    receiver.answers["/"] = slowly
    world.send()
    with process(world) as stopped:
        eventually(lambda: len(receiver.accepted) == 1)
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(30) == 0

    said = (world.rt.settings.home / "notifier.log").read_text()
    assert re.fullmatch(r"\S+ INFO notifier\[\d+\] workers.logs: starts\n", said)
    assert sorted(world.rows("SELECT status, state, tries FROM webhook_deliveries")) == [
        ("queued", "delivered", 1),
        ("sent", "waiting", 0),
    ]


def test_two_notifiers_share_the_deliveries_and_make_none_twice(world: World, receiver: Receiver) -> None:
    make(world, receiver.url())
    make(world, receiver.url("/other"))
    world.send(*[f"+2348012345{n:03}" for n in range(40)])

    with process(world), process(world, "second.log"):
        eventually(is_done(world, 160), 60)

    assert len(receiver.accepted) == 160
    keyed = [(each.path, event) for each, event in zip(receiver.accepted, ids(receiver.accepted), strict=True)]
    assert len(set(keyed)) == 160


def test_the_notifier_goes_on_after_its_database_connections_were_terminated(world: World, receiver: Receiver) -> None:
    world.rt.engine.dispose()  # connections that earlier tests left in the pool, and that nobody would mend
    make(world, receiver.url())
    cut = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
    world.send()

    with process(world) as working:
        eventually(lambda: len(receiver.accepted) >= 1)
        world.rows(cut)
        eventually(is_done(world, 2))
        world.send()
        eventually(is_done(world, 4))
        assert working.poll() is None
