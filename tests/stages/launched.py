"""Campaigns as they are once they were approved, and what works on them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import event

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import campaigns
from schema.message import Hint
from schema.vocabulary import CampaignState
from tests.world import World
from workers.campaign_wiring import expand_portion

_ROWS = """
INSERT INTO campaign_rows (campaign_id, line, phone, merge)
SELECT %(id)s, place + 1, phone, merge
FROM unnest(%(phones)s::text[], %(merges)s::jsonb[]) WITH ORDINALITY AS r (phone, merge, place)
"""


class Died(Exception):
    """The process is gone."""


@contextmanager
def dying_before_commit(rt: Runtime) -> Iterator[None]:
    """Let each transaction end as if its process were killed right before its commit."""

    def die(_conn: object) -> None:
        raise Died

    event.listen(rt.engine, "commit", die)
    try:
        yield
    finally:
        event.remove(rt.engine, "commit", die)


def numbers(count: int, prefix: str = "+23480") -> list[str]:
    """Return different numbers of one country."""
    return [f"{prefix}{12_000_000 + place}" for place in range(count)]


class Launched:
    """One campaign, running unless said otherwise; its first row is line 2, as in a file with a header."""

    def __init__(
        self,
        world: World,
        phones: Sequence[str],
        state: CampaignState = CampaignState.RUNNING,
        *,
        merges: Sequence[Mapping[str, str]] = (),
        **columns: Any,
    ) -> None:
        self.world, self.rt = world, world.rt
        self.id: UUID = world.rt.new_ids()
        common = {
            "id": self.id,
            "account_id": world.account,
            "name": str(self.id),
            "state": str(state),
            "sender": "ACME",
            "class": "bulk",
            "body": "Your ride arrives at 9.",
            "created_by": "os_user:ada",
            "started_at": world.rt.now(),
        }
        merged: list[str | None] = [json.dumps(dict(each)) for each in merges] or [None for _ in phones]
        with world.rt.begin() as conn:
            assert campaigns.write(conn, common | columns)
            conn.exec_driver_sql(_ROWS, {"id": self.id, "phones": list(phones), "merges": merged})
        self.progress("rows", len(phones))

    def progress(self, column: str, value: Any) -> None:
        """Set a column of its progress."""
        self.world.run(f"UPDATE campaign_progress SET {column} = %(v)s WHERE campaign_id = %(id)s", v=value, id=self.id)

    def set(self, **columns: Any) -> None:
        """Set columns of the campaign."""
        for name, value in columns.items():
            self.world.run(f"UPDATE campaigns SET {name} = %(value)s WHERE id = %(id)s", value=value, id=self.id)

    def expand(self, portions: int = 1000) -> list[Hint]:
        """Make messages of its rows, as long as any may become one; return hints of their batches."""
        hints: list[Hint] = []
        for _ in range(portions):
            written = expand_portion(self.rt, self.id)
            if written is None or not written.is_written:
                break
            hints += written.hints
        return hints

    def run(self) -> None:
        """Expand and deliver until nothing more may be done."""
        while hints := self.expand():
            self.deliver(hints)

    def deliver(self, hints: Sequence[Hint]) -> None:
        """Deliver batches, those of each carrier together."""
        for carrier in sorted({hint.carrier for hint in hints}):
            self.world.deliver_all([hint for hint in hints if hint.carrier == carrier])

    @property
    def state(self) -> str:
        """Return its state."""
        [found] = self.world.rows("SELECT state FROM campaigns WHERE id = %(id)s", id=self.id)
        return str(found)

    @property
    def reason(self) -> str | None:
        """Return why it has its state."""
        [found] = self.world.rows("SELECT reason FROM campaigns WHERE id = %(id)s", id=self.id)
        return found and str(found)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of sent, skipped and left out rows."""
        query = "SELECT sent, skipped, left_out FROM campaign_progress WHERE campaign_id = %(id)s"
        [(sent, skipped, left_out)] = self.world.rows(query, id=self.id)
        return sent, skipped, left_out

    def rows(self, columns: str = "line") -> list[Any]:
        """Return columns of its rows, by line."""
        return self.world.rows(
            f"SELECT {columns} FROM campaign_rows WHERE campaign_id = %(id)s ORDER BY line", id=self.id
        )

    def messages(self) -> dict[int, UUID]:
        """Return line → message of its sent rows."""
        query = """
        SELECT line, first_message, place FROM campaign_rows JOIN requests ON requests.id = request_id
        WHERE campaign_id = %(id)s
        """
        return {line: ids.after(first, place) for line, first, place in self.world.rows(query, id=self.id)}
