import importlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.receive import keep
from pipeline.stages.settle import settle
from schema.carriage import Receipt
from schema.vocabulary import ReceiptVerdict
from tests.world import World


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def receipt(
    world: World, verdict: ReceiptVerdict, *, key: str = "1", by_us: bool = False, carrier: str = "alpha"
) -> Receipt:
    [(ref, carrier_ref)] = world.rows("SELECT message_id, carrier_ref FROM provider_attempts")
    return Receipt(
        carrier=carrier,
        key=key,
        verdict=verdict,
        carrier_ref=None if by_us else carrier_ref,
        ref=ref if by_us else None,
        code="0",
        at=datetime.now(UTC),
        raw="{}",
    )


STATES = "SELECT status, money, error_code FROM messages"


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (ReceiptVerdict.DELIVERED, ("delivered", "captured", None)),
        (ReceiptVerdict.FAILED, ("failed", "captured", "undelivered")),
        (ReceiptVerdict.PENDING, ("sent", "captured", None)),
    ],
)
def test_a_settled_receipt_changes_the_status_of_its_message(
    world: World, verdict: ReceiptVerdict, state: tuple[Any, ...]
) -> None:
    world.send()

    keep(world.rt, [receipt(world, verdict)])
    settle(world.rt)

    assert world.rows(STATES) == [state]


def test_an_equal_receipt_key_after_three_days_is_another_receipt(world: World) -> None:
    world.send()
    keep(world.rt, [receipt(world, ReceiptVerdict.PENDING)])
    settle(world.rt)

    assert keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED)]) == 0
    world.run("UPDATE receipts SET received_at = received_at - interval '73 hours'")
    assert keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED), receipt(world, ReceiptVerdict.DELIVERED)]) == 1
    settle(world.rt)

    assert world.rows(STATES) == [("delivered", "captured", None)]


def test_a_duplicate_receipt_is_stored_once(world: World) -> None:
    world.send()

    assert keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED)] * 2) == 1
    assert keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED)]) == 0


def test_a_later_failed_receipt_does_not_change_a_delivered_message(world: World) -> None:
    world.send()
    keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED, key="1")])
    settle(world.rt)

    keep(world.rt, [receipt(world, ReceiptVerdict.FAILED, key="2"), receipt(world, ReceiptVerdict.PENDING, key="3")])
    settle(world.rt)

    assert world.rows(STATES) == [("delivered", "captured", None)]
    assert sorted(world.rows("SELECT key, state FROM receipts")) == [
        ("1", "applied"),
        ("2", "ignored"),
        ("3", "ignored"),
    ]


def test_a_delivered_receipt_after_a_failed_one_makes_the_message_delivered(world: World) -> None:
    world.send()
    keep(world.rt, [receipt(world, ReceiptVerdict.FAILED, key="1")])
    settle(world.rt)

    keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED, key="2"), receipt(world, ReceiptVerdict.FAILED, key="3")])
    settle(world.rt)

    assert world.rows(STATES) == [("delivered", "captured", None)]
    assert sorted(world.rows("SELECT key, state FROM receipts")) == [
        ("1", "applied"),
        ("2", "applied"),
        ("3", "ignored"),
    ]


def test_a_delivered_receipt_does_not_charge_money_that_was_released(world: World) -> None:
    world.add_carrier("alpha", {"silent": 1})
    world.send()

    for place, verdict in enumerate([ReceiptVerdict.FAILED, ReceiptVerdict.DELIVERED]):
        keep(world.rt, [receipt(world, verdict, key=str(place), by_us=True)])
        settle(world.rt)

    assert world.rows(STATES) == [("delivered", "released", None)]
    assert world.balance() == 1_000_000


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        pytest.param(ReceiptVerdict.DELIVERED, ("delivered", "captured", None), id="it was taken: earn it"),
        pytest.param(ReceiptVerdict.FAILED, ("failed", "released", "undelivered"), id="it failed: give it back"),
    ],
)
def test_a_receipt_resolves_an_unknown_outcome_and_captures_or_releases_its_money(
    world: World, verdict: ReceiptVerdict, state: tuple[Any, ...]
) -> None:
    world.add_carrier("alpha", {"silent": 1})
    world.send()

    keep(world.rt, [receipt(world, verdict, by_us=True)])
    settle(world.rt)

    assert world.rows(STATES) == [state]


def test_a_receipt_that_arrives_before_its_attempt_is_recorded_waits_for_it(world: World) -> None:
    world.send()
    early = receipt(world, ReceiptVerdict.DELIVERED)
    world.run("UPDATE provider_attempts SET carrier_ref = NULL")
    keep(world.rt, [early])
    settle(world.rt)
    assert world.rows("SELECT state, due_at > now() FROM receipts") == [("waiting", True)]

    world.run("UPDATE provider_attempts SET carrier_ref = %(ref)s", ref=early.carrier_ref)
    world.run("UPDATE receipts SET due_at = now()")
    settle(world.rt)

    assert world.rows(STATES) == [("delivered", "captured", None)]


def test_a_receipt_from_a_carrier_without_an_attempt_is_orphaned_in_the_end(world: World) -> None:
    world.send()
    keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED, carrier="beta")])
    settle(world.rt)
    assert world.rows("SELECT state FROM receipts") == ["waiting"]

    world.run("UPDATE receipts SET due_at = now(), received_at = now() - interval '80 hours'")
    settle(world.rt)

    assert world.rows("SELECT state FROM receipts") == ["orphaned"]
    assert world.rows(STATES) == [("sent", "captured", None)]


def test_settling_a_second_time_finds_nothing(world: World) -> None:
    world.send()
    keep(world.rt, [receipt(world, ReceiptVerdict.DELIVERED)])

    assert (settle(world.rt), settle(world.rt)) == (1, 0)


def test_concurrent_settling_of_overlapping_receipts_does_not_deadlock(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"+23480123456{n:02}" for n in range(60)]
    stage = importlib.import_module("pipeline.stages.settle")
    monkeypatch.setattr(stage, "PORTION", len(people))
    runtimes = [Runtime(settings), Runtime(settings)]

    for turn in range(5):
        sent = world.send(*people).messages
        for first, second in (("delivered", "failed"), ("failed", "delivered")):
            world.run(
                """
                INSERT INTO receipts (id, carrier, key, ref, verdict, raw)
                SELECT gen_random_uuid(), 'alpha', id || %(word)s, id,
                       CASE WHEN row_number() OVER (ORDER BY id) <= 30 THEN %(first)s ELSE %(second)s END, '{}'
                FROM messages WHERE id = ANY(%(ids)s)
                """,
                word=f"/{first}/{turn}",
                first=first,
                second=second,
                ids=list(sent),
            )
        together = threading.Barrier(2)

        def tick(rt: Runtime, together: threading.Barrier = together) -> int:
            together.wait()
            return settle(rt)

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(tick, runtimes)) == [60, 60]

    for rt in runtimes:
        rt.close()
    assert world.rows("SELECT count(*) FROM messages WHERE status IN ('delivered', 'failed')") == [300]
