"""Reservations: money and quota that a campaign holds as a whole, from its beginning to its end.

Its batches take their holds from there, not from the wallet, so that other traffic of the account cannot use it up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.money.currencies import SEGMENTS
from pipeline.store import wallet_ledger
from pipeline.store.wallet_ledger import Hold
from schema.vocabulary import Book, LedgerEntry


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a campaign holds, and none of its batches does yet."""

    campaign_id: UUID
    account_id: int
    #: minor units
    amount: int
    #: segments of the quota of a month
    quota: int
    #: the first day of it
    month: date


_OF = """
SELECT campaign_id, account_id, amount, quota, month FROM campaign_reservations WHERE campaign_id = %(campaign)s
"""


def of(conn: Connection, campaign: UUID) -> Reservation | None:
    """Return the reservation of a campaign; None: it has none, or none any more."""
    row = conn.exec_driver_sql(_OF, {"campaign": campaign}).first()
    return Reservation(*row) if row else None


_INSERT = """
INSERT INTO campaign_reservations (campaign_id, account_id, amount, quota, month)
VALUES (%(campaign)s, %(account)s, %(amount)s, %(quota)s, %(month)s)
"""


def reserve(conn: Connection, made: Reservation, at: datetime) -> None:
    """Hold money and quota for a locked campaign without a reservation; InsufficientFunds: they do not suffice.

    The wallet's row stays locked until the commit: call it last.
    """
    params = {"campaign": made.campaign_id, "account": made.account_id}
    conn.exec_driver_sql(_INSERT, params | {"amount": made.amount, "quota": made.quota, "month": made.month})
    _move(conn, LedgerEntry.RESERVE, (Book.WALLET, Book.RESERVED), made, [(None, made.amount, made.quota)], at)
    wallet_ledger.debit(conn, {made.account_id: made.amount}, {(made.account_id, made.month): made.quota})


_DRAW = """
UPDATE campaign_reservations SET amount = amount - %(amount)s, quota = quota - %(quota)s
WHERE campaign_id = %(campaign)s
"""


def draw(conn: Connection, reserved: Reservation, holds: Iterable[Hold], at: datetime) -> list[Hold]:
    """Hold money and quota of a campaign's new batches from its reservation; return what the wallet is to hold.

    That is the quota of another month than the reserved one. The campaign's progress is locked.
    """
    drawn, others = [], []
    for each in holds:
        is_same = each.month == reserved.month
        drawn.append((each.batch, each.amount, each.quota if is_same else 0))
        others += [] if is_same or not each.quota else [replace(each, amount=0)]
    params = {"campaign": reserved.campaign_id, "amount": sum(amount for _, amount, _ in drawn)}
    conn.exec_driver_sql(_DRAW, params | {"quota": sum(quota for _, _, quota in drawn)})
    _move(conn, LedgerEntry.HOLD, (Book.RESERVED, Book.HELD), reserved, drawn, at)
    return others


_END = """
DELETE FROM campaign_reservations WHERE campaign_id = %(campaign)s
RETURNING campaign_id, account_id, amount, quota, month
"""


def end(conn: Connection, campaign: UUID, at: datetime) -> None:
    """Release what a locked campaign has reserved and not drawn, if it has a reservation.

    The wallet's row stays locked until the commit: call it last, and not with `wallet_ledger.release`.
    """
    row = conn.exec_driver_sql(_END, {"campaign": campaign}).first()
    if row is None:
        return
    rest = Reservation(*row)
    _move(conn, LedgerEntry.RELEASE, (Book.RESERVED, Book.WALLET), rest, [(None, rest.amount, rest.quota)], at)
    wallet_ledger.credit(conn, [(rest.account_id, rest.month, rest.amount, rest.quota)])


_ENTRIES = """
INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book, batch_id, campaign_id, at)
SELECT a.id, %(kind)s, coalesce(e.unit, a.currency), e.amount, %(source)s, %(target)s, e.batch_id, %(campaign)s, %(at)s
FROM unnest(%(units)b::text[], %(amounts)b::int8[], %(batches)b::uuid[]) AS e (unit, amount, batch_id)
JOIN accounts AS a ON a.id = %(account)s WHERE e.amount > 0
"""


def _move(
    conn: Connection,
    kind: LedgerEntry,
    books: tuple[Book, Book],
    reserved: Reservation,
    moves: Sequence[tuple[UUID | None, int, int]],
    at: datetime,
) -> None:
    """Write the ledger's entries of (batch, minor units, segments of quota)."""
    source, target = books
    params = {
        "kind": str(kind),
        "source": str(source),
        "target": str(target),
        "account": reserved.account_id,
        "campaign": reserved.campaign_id,
        "at": at,
        "units": [unit for _ in moves for unit in (None, SEGMENTS)],
        "amounts": [amount for _, money, quota in moves for amount in (money, quota)],
        "batches": [batch for batch, _, _ in moves for _ in range(2)],
    }
    conn.exec_driver_sql(_ENTRIES, params)
