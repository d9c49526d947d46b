"""Transitions, ledger rows, message statuses and events have the time that the caller gives, never SQL's own.

Leases, and what is due or expires, go by the database's clock (docs/decisions/0024-transitions.md): they are in other
modules of `pipeline/store/`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PIPELINE = Path(__file__).parents[2] / "pipeline"
STORE = ("claim_checks", "events", "message_moves", "wallet_ledger")
FILES = [*(PIPELINE / "store" / f"{name}.py" for name in STORE), *(PIPELINE / "transitions").glob("*.py")]

_CLOCK = re.compile(
    r"\b(now|(clock|statement|transaction)_timestamp|timeofday)\s*\(|\b(current|local)_?(date|time|timestamp)\b",
    re.IGNORECASE,
)


def clocks(tree: ast.AST) -> Iterator[str]:
    """Yield the clocks that SQL in these strings asks; docstrings are none."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield from (found.group() for found in _CLOCK.finditer(node.value))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PIPELINE).as_posix())
def test_transitions_and_event_writers_contain_no_sql_clock(path: Path) -> None:
    assert list(clocks(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        '_MOVE = "UPDATE messages SET final_at = now()"',
        'sql = f"UPDATE {table} SET at = clock_timestamp()"',
        'def move(conn):\n    """Move."""\n    conn.exec_driver_sql("SELECT CURRENT_TIMESTAMP")',
    ],
)
def test_an_sql_clock_in_a_string_is_detected(code: str) -> None:
    assert list(clocks(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ['"""Never by now()."""', "now = rt.now()", '_SQL = "SELECT %(now)s"', '_SQL = "SELECT current_state"']
)
def test_text_that_only_resembles_an_sql_clock_is_not_reported(code: str) -> None:
    assert list(clocks(ast.parse(code))) == []
