"""COPY within the transaction, and its errors, which contain nothing of the rows."""

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.errors import DatabaseFault
from pipeline.store import messages
from tests.world import World

SECRET = "+2348012345678"


def row(world: World, **fields: Any) -> tuple[Any, ...]:
    id_ = world.rt.new_ids()
    known = {"id": id_, "request": id_, "batch": id_, "account": 1, "phone": SECRET, "country": "NG", "sender": "ACME"}
    return tuple((known | {"body": f"Your code is 4711, {SECRET}", "correlation_id": None} | fields).values())


def test_copied_rows_belong_to_the_transaction(world: World) -> None:
    with world.rt.engine.connect() as conn, conn.begin() as transaction:
        messages.write(conn, [row(world), row(world)])
        inside = conn.exec_driver_sql("SELECT count(*) FROM messages").scalar()
        transaction.rollback()

    assert inside == 2
    assert world.rows("SELECT count(*) FROM messages") == [0]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"body": f"{SECRET}\x00"}, id="NUL"),
        pytest.param({"phone": None}, id="null where there must be something"),
    ],
)
def test_the_error_for_a_refused_row_contains_none_of_its_values(world: World, fields: dict[str, Any]) -> None:
    with pytest.raises(DatabaseFault) as fault, world.rt.begin() as conn:
        messages.write(conn, [row(world, **fields)])

    assert SECRET not in repr(fault.value)
    assert "4711" not in repr(fault.value)


def test_a_lost_connection_during_copy_raises_and_the_next_transaction_works(world: World) -> None:
    def breaking(pid: int) -> Iterator[tuple[Any, ...]]:
        yield row(world)
        world.rows("SELECT pg_terminate_backend(%(pid)s, 10000)", pid=pid)
        for _ in range(1000):
            yield row(world, body="x" * 1000)

    with pytest.raises(DatabaseFault), world.rt.begin() as conn:
        messages.write(conn, breaking(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))

    assert world.rows("SELECT count(*) FROM messages") == [0]
