"""The audit log, as operators read it: who changed which configuration, when, from where, and how."""

from datetime import datetime
from typing import Any

from pipeline.runtime import Runtime
from pipeline.store import accounts, audit_log

Row = dict[str, Any]


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
