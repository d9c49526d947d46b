"""What most tests begin with: an account that can send by a simulated carrier."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.dialects.registry import DIALECTS, capacities
from pipeline.runtime import Runtime
from pipeline.stages.admit import admit
from pipeline.stages.bill import bill
from pipeline.stages.deliver import deliver
from pipeline.stages.ingest import ingest
from pipeline.stages.segment import segment
from pipeline.store import accounts, carriers, wallet_ledger
from schema.message import Accepted, Hint
from schema.order import Order


def _is_by_api(order: Order) -> bool:
    """Return whether an order is to look like one sent through a vendor's API: `robase.send`."""
    return (order.door or "").partition(".")[0] in DIALECTS


def message_ids(answer: Accepted) -> list[UUID]:
    """Return the ids of an order's messages; those of refused recipients have none."""
    return [each for each in answer.messages if each is not None]


class World:
    """An account that can send: `world.send("+2348012345678")`."""

    def __init__(self, rt: Runtime) -> None:
        self.rt = rt
        with rt.begin() as conn:
            account = accounts.create(conn, "acme", "NGN")
            assert account is not None
            self.account = account
            accounts.set_sender(conn, account, "ACME")
            wallet_ledger.set_price(conn, "*", "NGN", 400, rt.now())
            wallet_ledger.top_up(conn, account, 1_000_000, "test", rt.now())
        self.add_carrier("alpha")

    def add_carrier(self, name: str, script: dict[str, Any] | None = None, *, rank: int = 1, route: str = "*") -> None:
        """Add or change a simulated carrier that plays the script, with a route."""
        with self.rt.begin() as conn:
            carriers.save(conn, name, "simulated", {"script": script or {}}, sends_dlt=True)
            carriers.set_route(conn, route, name, rank=rank)

    def order(self, *numbers: str, **fields: Any) -> Order:
        """Return an order to these numbers (one by default), of the world's account unless another is given."""
        recipients = [{"to": number} for number in numbers or ["+2348012345678"]]
        return Order.model_validate(
            {"account": "acme", "sender": "ACME", "recipients": recipients}
            | ({} if "template" in fields else {"body": "Your ride arrives at 9."})
            | fields
        )

    def submit(self, *orders: Order) -> list[Accepted]:
        """Admit and ingest orders; return their responses."""
        admissions = [
            each for order in orders for each in admit(self.rt, [(self.rt.new_ids(), order)], by_api=_is_by_api(order))
        ]
        return ingest(self.rt, admissions)

    def pay(self, answers: Sequence[Accepted]) -> list[Hint]:
        """Segment and bill ingested orders; return hints of queued batches."""
        return [
            hint
            for answer in answers
            for batch in answer.batches
            for hint in bill(self.rt, batch, segment(self.rt, batch), capacities=capacities())
        ]

    def deliver_all(self, hints: Sequence[Hint]) -> None:
        """Deliver batches, including failover to the next carriers."""
        while hints:
            hints = deliver(self.rt, [hint.batch for hint in hints])

    def send(self, *numbers: str, **fields: Any) -> Accepted:
        """Process an order completely; return its response."""
        [answer] = answers = self.submit(self.order(*numbers, **fields))
        self.deliver_all(self.pay(answers))
        return answer

    def rows(self, query: str, **params: Any) -> list[Any]:
        """Return a query's rows; with one column, its values."""
        with self.rt.begin() as conn:
            rows = conn.exec_driver_sql(query, params).all()
        return [row[0] for row in rows] if rows and len(rows[0]) == 1 else [tuple(row) for row in rows]

    def run(self, statement: str, **params: Any) -> int:
        """Execute a statement; return the number of rows."""
        with self.rt.begin() as conn:
            return conn.exec_driver_sql(statement, params).rowcount

    def status(self, message: UUID | None) -> str:
        """Return a message's own status ("" while it has none)."""
        [found] = self.rows("SELECT status FROM messages WHERE id = %(id)s", id=message)
        return found or ""

    def balance(self) -> int:
        """Return the balance of the account's wallet."""
        [found] = self.rows("SELECT balance FROM wallets WHERE account_id = %(id)s", id=self.account)
        return int(found)

    def end_pause(self, carrier: str) -> None:
        """End the pause of a carrier's open circuit breaker."""
        assert self.rt.valkey is not None
        assert self.rt.valkey.hset(f"postroad:health:{carrier}", "open", "1") == 0

    def make_due(self, at: datetime | None = None) -> None:
        """Make all waiting batches due."""
        self.run(
            """
            UPDATE batches SET due_at = coalesce(%(at)s, now()), send_at = CASE WHEN send_at > now() THEN now() END
            WHERE status IN ('scheduled', 'waiting')
            """,
            at=at,
        )
