"""Counters of metrics: each attempt, receipt and duration once, and labels within their limits."""

from pipeline.stages.fold_counts import fold_counts
from pipeline.stages.settle import settle_on_arrival
from pipeline.store import metric_counters
from pipeline.store.metric_counters import CODES, Increment
from schema.carriage import Receipt
from schema.vocabulary import Counter, ReceiptVerdict
from tests.world import World, message_ids


def totals(world: World, counter: Counter) -> dict[tuple[str, ...], tuple[int, float]]:
    fold_counts(world.rt)
    with world.rt.begin() as conn:
        found = metric_counters.totals(conn)
    return {each.labels: (each.events, round(each.total, 3)) for each in found if each.counter is counter}


def refused(code: str, times: int = 1) -> Increment:
    return Increment(Counter.ATTEMPTS, ("alpha", "refused_transient", code), times)


def test_attempts_and_changes_of_status_are_counted_by_carrier(world: World) -> None:
    world.send("+2348012345678", "+447400123456")
    before = totals(world, Counter.MESSAGES)

    world.send("+2348012345678", body="x" * 200)

    counted = totals(world, Counter.MESSAGES)
    assert counted.get(("NG", "alpha", "transactional", "", "queued")) == (2, 3)
    assert all(counted[labels] >= count for labels, count in before.items())
    assert sum(events for events, _ in totals(world, Counter.ATTEMPTS).values()) == 3


def test_waits_and_deliveries_are_counted_in_buckets_with_their_sums(world: World) -> None:
    answer = world.send("+2348012345678", "+2348012345679")
    [first, second] = message_ids(answer)
    world.run("UPDATE messages SET sent_at = sent_at - interval '20 seconds' WHERE id = %(id)s", id=first)
    receipts = [
        Receipt("alpha", str(ref), ReceiptVerdict.DELIVERED, None, ref, code="000", at=None, raw="")
        for ref in (first, second)
    ]

    settle_on_arrival(world.rt, receipts)
    settle_on_arrival(world.rt, receipts)

    assert totals(world, Counter.RECEIPTS) == {("alpha", "delivered", "000"): (2, 0)}
    assert sum(events for events, _ in totals(world, Counter.QUEUE_WAIT).values()) == 2
    lag = totals(world, Counter.RECEIPT_LAG)
    assert sum(events for events, _ in lag.values()) == 2
    assert lag["alpha", "30"][1] >= 20
    assert sum(events for events, _ in totals(world, Counter.DELIVERY_TIME).values()) == 2


def test_messages_that_fail_are_not_timed(world: World) -> None:
    [first] = message_ids(world.send("+2348012345678"))
    totals(world, Counter.MESSAGES)
    settle_on_arrival(
        world.rt, [Receipt("alpha", "1", ReceiptVerdict.FAILED, None, first, code="027", at=None, raw="")]
    )
    world.add_carrier("alpha", {"refuse:21": 1.0})

    world.send("+2348012345678")

    assert totals(world, Counter.RECEIPT_LAG) == totals(world, Counter.DELIVERY_TIME) == {}
    assert ("alpha", "refused_permanent") in {labels[:2] for labels in totals(world, Counter.ATTEMPTS)}
    assert sum(events for events, _ in totals(world, Counter.QUEUE_WAIT).values()) == 1


def test_a_code_beyond_the_limit_or_that_may_be_a_number_is_counted_as_other(world: World) -> None:
    with world.rt.begin() as conn:
        metric_counters.append(conn, [refused(f"code{n}", CODES + 9 - n) for n in range(CODES + 5)])
        metric_counters.append(conn, [refused("+2348012345678"), refused("2348012345678"), refused("busy, try later")])
    first = totals(world, Counter.ATTEMPTS)
    with world.rt.begin() as conn:
        metric_counters.append(conn, [refused("late"), refused("code3")])
    then = totals(world, Counter.ATTEMPTS)

    assert len(first) == len(then) == CODES + 1
    assert first.get(("alpha", "refused_transient", "code0")) == (CODES + 9, 0)
    assert all(then[labels] >= count for labels, count in first.items())
    assert then["alpha", "refused_transient", "other"][0] == first["alpha", "refused_transient", "other"][0] + 1
    assert sum(events for events, _ in then.values()) == sum(CODES + 9 - n for n in range(CODES + 5)) + 5
