"""Long messages that a carrier was given in parts: each part has a receipt of its own, and these come in any order."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import permutations
from uuid import UUID

import pytest

from pipeline.carriers import registry
from pipeline.carriers.contract import CarrierKind
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.hourly_maintenance import PART_DAYS, maintain
from pipeline.stages.receive import keep
from pipeline.stages.resend import store_answers
from pipeline.stages.settle import settle, settle_on_arrival
from pipeline.stages.sweep import sweep
from pipeline.store import message_parts
from pipeline.store.message_parts import MultipartAttempt
from schema.carriage import Attempt
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.stages.scripted import KIND, Line, Scripted, Stage
from tests.world import World

DELIVERED, FAILED, PENDING = ReceiptVerdict.DELIVERED, ReceiptVerdict.FAILED, ReceiptVerdict.PENDING


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    lines: dict[str, Line] = {}
    monkeypatch.setitem(registry.KINDS, KIND, CarrierKind(KIND, partial(Scripted, lines)))
    stage = Stage(world, lines)
    stage.carrier("alpha").parts = 3
    yield stage
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def verdicts(stage: Stage) -> list[str | None]:
    return list(stage.world.rows("SELECT coalesce(verdict, '-') FROM parts ORDER BY message_id, n, part"))


ORDERS = [
    *[([(part, DELIVERED) for part in order], "delivered") for order in permutations((1, 2, 3))],
    ([(1, DELIVERED), (2, DELIVERED)], "sent"),
    ([(1, DELIVERED)] * 3, "sent"),
    ([(1, PENDING), (1, DELIVERED), (2, DELIVERED), (3, PENDING)], "sent"),
    ([(1, DELIVERED), (2, DELIVERED), (3, DELIVERED), (1, FAILED)], "delivered"),
    ([(1, DELIVERED), (2, FAILED)], "failed"),
    ([(2, FAILED), (1, DELIVERED), (2, DELIVERED), (3, DELIVERED)], "delivered"),
    ([(2, FAILED), (1, DELIVERED), (2, DELIVERED), (3, FAILED)], "failed"),
    ([(1, DELIVERED), (1, FAILED), (2, DELIVERED), (3, DELIVERED)], "delivered"),
    ([(3, DELIVERED), (2, DELIVERED), (1, FAILED)], "failed"),
]


@pytest.mark.parametrize("way", ["booked one by one", "booked together", "settled one by one", "settled together"])
@pytest.mark.parametrize(
    ("reported", "status"), ORDERS, ids=[" ".join(f"{p}{v[0]}" for p, v in reported) for reported, _ in ORDERS]
)
def test_a_message_is_delivered_with_its_last_part_and_fails_with_its_first_failed_part(
    stage: Stage, reported: Sequence[tuple[int, ReceiptVerdict]], status: str, way: str
) -> None:
    [message] = stage.send()
    reports = [stage.report(message, "alpha", verdict, part=part) for part, verdict in reported]

    for some in [reports] if "together" in way else [[each] for each in reports]:
        if "booked" in way:
            settle_on_arrival(stage.rt, some)
        else:
            keep(stage.rt, some)
            settle(stage.rt)

    assert [state for state, *_ in stage.stands()] == [status]


def test_a_second_receipt_for_a_part_is_ignored(stage: Stage) -> None:
    [message] = stage.send()

    for key in ("1", "1", "2", "3"):
        stage.receive(message, "alpha", part=1, key=key)

    assert verdicts(stage) == ["delivered", "-", "-"]
    assert stage.world.rows("SELECT state FROM receipts ORDER BY key") == ["applied", "ignored", "ignored"]


def test_concurrent_receipts_of_the_last_two_parts_make_the_message_delivered(stage: Stage, settings: Settings) -> None:
    messages = stage.send(*[f"+23480123456{n:02}" for n in range(30)])
    for message in messages:
        stage.receive(message, "alpha", part=2)
    with closing(Runtime(settings)) as one, closing(Runtime(settings)) as other, ThreadPoolExecutor(2) as pool:
        for message in messages:
            together = threading.Barrier(2)

            def receive(rt: Runtime, part: int, message: UUID = message, barrier: threading.Barrier = together) -> None:
                report = stage.report(message, "alpha", part=part)
                barrier.wait()
                settle_on_arrival(rt, [report])

            list(pool.map(receive, (one, other), (1, 3)))

    assert {state for state, *_ in stage.stands()} == {"delivered"}


def test_concurrent_receipts_of_many_messages_in_different_orders_do_not_deadlock(
    stage: Stage, settings: Settings
) -> None:
    messages = stage.send(*[f"+23480123456{n:02}" for n in range(40)])
    reported = {
        part: [stage.report(message, "alpha", part=part) for message in messages[:: 1 if part == 1 else -1]]
        for part in (1, 3)
    }
    for message in messages:
        stage.receive(message, "alpha", part=2)
    together = threading.Barrier(2)

    def receive(rt: Runtime, part: int) -> None:
        together.wait()
        settle_on_arrival(rt, reported[part])

    with closing(Runtime(settings)) as one, closing(Runtime(settings)) as other, ThreadPoolExecutor(2) as pool:
        list(pool.map(receive, (one, other), (1, 3)))

    assert {state for state, *_ in stage.stands()} == {"delivered"}


def test_receipts_of_parts_that_arrive_before_the_submit_response_wait_for_it(stage: Stage) -> None:
    [message] = stage.send()
    stage.world.run("DELETE FROM parts")
    stage.world.run("UPDATE provider_attempts SET carrier_ref = NULL, outcome = 'unknown'")
    stage.world.run("UPDATE messages SET money = 'held'")
    early = [stage.report(message, "alpha", part=part) for part in (3, 1, 2)]
    settle_on_arrival(stage.rt, early)
    stage.world.run("UPDATE messages SET money = 'captured'")
    stage.world.run(
        "UPDATE provider_attempts SET outcome = 'accepted', carrier_ref = %(ref)s", ref=f"alpha-{message}-1"
    )
    with stage.rt.begin() as conn:
        message_parts.write(
            conn, [MultipartAttempt("alpha", message, 1, [f"alpha-{message}-{part}" for part in (1, 2, 3)])]
        )

    stage.passes(2)
    settle(stage.rt)

    assert [state for state, *_ in stage.stands()] == ["delivered"]


# More than one attempt -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retryable", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_a_message_is_delivered_if_all_parts_of_one_attempt_are(stage: Stage, retryable: bool, together: bool) -> None:
    stage.carrier("beta").parts = 2
    [message] = stage.send()
    stage.receive(message, "alpha", FAILED, part=1, retryable=True)
    stage.turn()
    reports = [
        stage.report(message, "alpha", DELIVERED, part=2),
        stage.report(message, "beta", DELIVERED, part=1),
        stage.report(message, "alpha", FAILED, part=3, retryable=retryable),
        stage.report(message, "beta", DELIVERED, part=2),
    ]

    for some in [reports] if together else [[each] for each in reports]:
        settle_on_arrival(stage.rt, some)

    assert stage.stands() == [("delivered", "captured", None)]
    assert len(stage.tried()) == 2


def test_a_failed_part_resends_the_whole_message_by_another_carrier(stage: Stage) -> None:
    stage.carrier("beta")
    [message] = stage.send()
    for part, verdict in ((1, DELIVERED), (2, FAILED), (3, DELIVERED)):
        stage.receive(message, "alpha", verdict, part=part, retryable=verdict is FAILED)

    stage.turn()
    stage.turn()

    assert stage.tried() == [("alpha", "accepted"), ("beta", "accepted")]
    assert verdicts(stage) == ["delivered", "failed", "delivered"]


def test_the_parts_of_a_late_answer_are_stored(stage: Stage) -> None:
    stage.carrier("alpha", Outcome.UNKNOWN)
    [message] = stage.send()
    refs = tuple(f"alpha-{message}-{part}" for part in (1, 2))
    store_answers(stage.rt, "alpha", [Attempt(message, Outcome.ACCEPTED, refs[0], parts=refs)])
    stage.turn()

    stage.receive(message, "alpha", part=1)
    assert stage.stands() == [("sent", "captured", None)]
    stage.receive(message, "alpha", part=2)

    assert stage.stands() == [("delivered", "captured", None)]


def test_the_parts_of_an_answer_to_a_worker_that_lost_its_claim_are_stored(stage: Stage) -> None:
    def lose() -> None:
        stage.world.run("UPDATE batches SET lease_until = now() - interval '1 second' WHERE status = 'sending'")
        sweep(stage.rt)

    stage.lines["alpha"].meanwhile = lose
    [message] = stage.send()
    assert stage.stands() == [("sent", "held", None)]

    stage.turn()
    for part in (3, 1, 2):
        stage.receive(message, "alpha", part=part)

    assert stage.stands() == [("delivered", "captured", None)]


# References that come again --------------------------------------------------------------------------------------


def test_a_reused_reference_of_a_part_belongs_to_the_newest_message(stage: Stage) -> None:
    stage.lines["alpha"].parts = 0
    old, new, whole = (stage.send()[0] for _ in range(3))
    with stage.rt.begin() as conn:
        message_parts.write(conn, [MultipartAttempt("alpha", old, 1, ["7", "8"])])
        message_parts.write(conn, [MultipartAttempt("alpha", new, 1, ["8", "9"])])
    stage.world.run("UPDATE parts SET created_at = now() - interval '1 day'")
    stage.world.run("UPDATE provider_attempts SET carrier_ref = '7' WHERE message_id = %(whole)s", whole=whole)
    reports = [stage.report(new, "alpha") for _ in range(3)]

    for ref, report in zip(("7", "8", "9"), reports, strict=True):
        settle_on_arrival(stage.rt, [replace(report, carrier_ref=ref)])

    found = dict(stage.world.rows("SELECT id, status FROM messages"))
    assert (found[old], found[new], found[whole]) == ("sent", "delivered", "delivered")


def test_old_parts_are_deleted(stage: Stage) -> None:
    stage.send()
    stage.send()
    stage.world.run(
        "UPDATE parts SET created_at = now() - %(age)s WHERE message_id = (SELECT message_id FROM parts LIMIT 1)",
        age=timedelta(days=PART_DAYS, hours=1),
    )

    maintain(stage.rt)

    assert stage.world.rows("SELECT count(*) FROM parts") == [3]
