"""Test messages run their whole course: a simulated receipt is made for each and applied like any other."""

from pipeline.rules.numbers import sandbox_numbers
from pipeline.stages.settle import settle
from tests.world import World


def waits(world: World) -> list[tuple[str, float]]:
    return [
        (phone, round(float(seconds), 1))
        for phone, seconds in world.rows(
            """
            SELECT m.phone, extract(epoch FROM r.due_at - r.received_at)
            FROM receipts AS r JOIN messages AS m ON m.id = r.ref ORDER BY m.id
            """
        )
    ]


def test_a_test_message_is_delivered_by_a_simulated_receipt(world: World) -> None:
    world.run("UPDATE accounts SET subscribes = true")
    answer = world.send("+2340000000001", "+2348012345678", test=True)
    world.run("UPDATE receipts SET due_at = now()")

    settle(world.rt)

    assert [world.status(id_) for id_ in answer.messages] == ["delivered", "delivered"]
    assert world.rows("SELECT status FROM events ORDER BY id")[-2:] == ["delivered", "delivered"]
    assert world.rows("SELECT state FROM receipts") == ["applied", "applied"]


def test_the_delay_of_a_simulated_receipt_depends_on_the_number(world: World) -> None:
    world.send("+2340000000001", "+2340000000003", "+2348012345678", test=True)

    settle(world.rt)

    assert waits(world) == [
        ("+2340000000001", sandbox_numbers.PROMPT),
        ("+2340000000003", sandbox_numbers.LATE),
        ("+2348012345678", sandbox_numbers.PROMPT),
    ]
    assert world.rows("SELECT DISTINCT status FROM messages WHERE phone = '+2340000000003'") == ["sent"]


def test_a_message_that_is_not_a_test_gets_no_simulated_receipt(world: World) -> None:
    world.send("+2340000000001")

    assert world.rows("SELECT id FROM receipts") == []
