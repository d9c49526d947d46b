"""What queries of the product read: those of a call, with the plan that PostgreSQL carried out for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from pipeline.runtime import Runtime

#: a statement with its parameters
Statement = tuple[str, Any]


@contextmanager
def noted_statements(rt: Runtime) -> Iterator[list[Statement]]:
    """Yield a list to which each query and change of rows is added that the runtime executes, by any thread."""
    found: list[Statement] = []

    def note(_conn: Any, _cursor: Any, statement: str, params: Any, *_others: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            found.append((statement, params))

    event.listen(rt.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(rt.engine, "before_cursor_execute", note)


#: of this transaction, on tables and their partitions, that others might have to wait for
_LOCKS = """
SELECT c.relname FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND c.relkind IN ('r', 'p') AND l.mode <> 'AccessShareLock'
"""


def executed(rt: Runtime, statement: Statement) -> tuple[Any, set[str]]:
    """Return the plan by which a statement is executed, with what it read, and which tables it locks; undo it."""
    words, params = statement
    with rt.engine.connect() as conn:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {words}"
        plan = conn.exec_driver_sql(explain, params).scalar_one()[0]["Plan"]
        locked = set(conn.exec_driver_sql(_LOCKS).scalars())
        conn.rollback()
    return plan, locked


def blocks(plan: Any) -> int:
    """Return how many blocks of tables and indexes a node of a plan read, with those below it."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def nodes(plan: Any) -> Iterator[Any]:
    """Yield the nodes of a plan that were executed."""
    if plan["Actual Loops"]:
        yield plan
        for each in plan.get("Plans", ()):
            yield from nodes(each)


def partitions_of(plan: Any, table: str) -> set[str]:
    """Return the partitions of a table that a plan read."""
    names = {each["Relation Name"] for each in nodes(plan) if "Relation Name" in each}
    return {name for name in names if name.rpartition("_")[0] == table}


def whole_reads(plan: Any, most: int) -> dict[str, int]:
    """Return the tables that a plan reads from end to end, though they have more than so many blocks."""
    return {
        each["Relation Name"]: blocks(each)
        for each in nodes(plan)
        if each["Node Type"] == "Seq Scan" and blocks(each) > most * each["Actual Loops"]
    }
