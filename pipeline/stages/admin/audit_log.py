"""The audit log, as operators read it: who changed which configuration, when, from where, and how."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pipeline.rules.text.csv_lines import csv_lines
from pipeline.runtime import Runtime
from pipeline.store import accounts, audit_log

Row = dict[str, Any]

#: columns of an export, and entries that are read at once for it
COLUMNS = (
    "id", "at", "actor_kind", "actor", "claimed", "origin", "action", "subject_table", "subject", "account", "before",
    "after",
)  # fmt: skip
_PORTION = 1000


def list_changes(
    rt: Runtime,
    since: datetime,
    limit: int,
    *,
    account: str | None = None,
    table: str | None = None,
    actor: str | None = None,
    before: int | None = None,
) -> list[Row]:
    """Return up to `limit` changes since then, the latest first; NotFound: no such account.

    `account`, `table` and `actor` select; None: all. `before`: only entries with a lower id, for the next page.
    """
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id if account else None
        return audit_log.listing(conn, since, limit, account=owner, table=table, actor=actor, before=before)


def changes_csv(
    rt: Runtime, since: datetime, *, account: str | None = None, table: str | None = None, actor: str | None = None
) -> Iterator[str]:
    """Yield the changes since then as CSV, the latest first, many lines at once; NotFound: no such account."""
    portions = _portions(rt, since, account=account, table=table, actor=actor)
    return csv_lines(COLUMNS, (_cells(row) for portion in portions for row in portion))


def _portions(rt: Runtime, since: datetime, **sought: str | None) -> Iterator[list[Row]]:
    before = None
    while portion := list_changes(rt, since, _PORTION, before=before, **sought):
        yield portion
        before = portion[-1]["id"]


def _cells(row: Row) -> list[object]:
    return [json.dumps(row[word]) if isinstance(row[word], dict) else row[word] for word in COLUMNS]
