"""A limit on the rows that a statement locks holds whatever join the planner chooses."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

from pipeline import store

#: what may stand before the parenthesis of a query that locks up to a limit: it is read once
_READ_ONCE = re.compile(r"(AS MATERIALIZED|ARRAY|LATERAL)\s*$")


def _statements() -> Iterator[tuple[str, str]]:
    for module in pkgutil.walk_packages(store.__path__, f"{store.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, str) and "SKIP LOCKED" in value and "LIMIT" in value:
                yield f"{module.name}.{name}", value


def _before_parenthesis(sql: str, end: int) -> str | None:
    """Return what stands before the parenthesis that is open at `end`; None: none is."""
    depth = 0
    for place in range(end - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(sql[place], 0)
        if depth < 0:
            return sql[:place]
    return None


STATEMENTS = dict(_statements())


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_query_that_locks_up_to_a_limit_is_read_once(name: str) -> None:
    """As a subquery in a join it may be read again for each row: it locks further rows each time."""
    sql = STATEMENTS[name]
    for lock in re.finditer(r"LIMIT\s+\S+\s+FOR UPDATE[^()]*SKIP LOCKED", sql):
        before = _before_parenthesis(sql, lock.start())
        assert before is None or _READ_ONCE.search(before), sql[: lock.end()]
