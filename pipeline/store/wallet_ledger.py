"""Wallets, quotas, prices, and the append-only double-entry ledger.

One ledger row moves an amount from one book to another, so it is always balanced. Amounts are integers in minor
units; quota is counted in segments, with the unit SEG.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import InsufficientFunds
from pipeline.rules.identity import ids
from pipeline.rules.money.currencies import SEGMENTS
from pipeline.rules.money.price_lists import Price
from schema.value_class import value_class
from schema.vocabulary import Book, LedgerEntry

_BOOKS = """
SELECT DISTINCT ON (a.id, destination, p.account_id) a.id, destination, per_segment, p.account_id IS NOT NULL
FROM accounts AS a JOIN prices AS p ON p.currency = a.currency AND (p.account_id = a.id OR p.account_id IS NULL)
WHERE a.id = ANY(%(accounts)s) AND from_at <= %(now)s
ORDER BY a.id, destination, p.account_id, from_at DESC
"""


def books(conn: Connection, accounts: Iterable[int], now: datetime) -> dict[int, list[Price]]:
    """Return account → the prices in force for it: its own, and the common ones in its currency."""
    found: defaultdict[int, list[Price]] = defaultdict(list)
    for account, *line in conn.exec_driver_sql(_BOOKS, {"accounts": list(accounts), "now": now}).all():
        found[account].append(Price(*line))
    return found


_BALANCES = """
SELECT a.id, w.month, coalesce(q.granted - q.used, 0), a.subscribes
FROM unnest(%(accounts)s::int4[], %(months)s::date[]) AS w (account_id, month)
JOIN accounts AS a ON a.id = w.account_id
LEFT JOIN quotas AS q ON q.account_id = a.id AND q.month = w.month
"""


def quotas_left(conn: Connection, wanted: Iterable[tuple[int, date]]) -> dict[tuple[int, date], tuple[int, bool]]:
    """Return (account, month) → the remaining quota in segments, and whether the account's events are written."""
    pairs = sorted(set(wanted))
    params = {"accounts": [account for account, _ in pairs], "months": [month for _, month in pairs]}
    rows = conn.exec_driver_sql(_BALANCES, params).all()
    return {(account, month): (left, subscribes) for account, month, left, subscribes in rows}


_FUNDS = """
SELECT coalesce((SELECT balance + credit_limit FROM wallets WHERE account_id = %(account)s {lock}), 0),
       coalesce((SELECT granted - used FROM quotas WHERE account_id = %(account)s AND month = %(month)s {lock}), 0)
"""


def funds(conn: Connection, account: int, month: date, *, lock: bool = False) -> tuple[int, int]:
    """Return (money, segments of quota) that an account may still spend; `lock` locks wallet and quota."""
    query = _FUNDS.format(lock="FOR UPDATE" if lock else "")
    money, quota = conn.exec_driver_sql(query, {"account": account, "month": month}).one()
    return money, quota


_DEBIT = """
UPDATE wallets SET balance = balance - %(amount)s
WHERE account_id = %(account)s AND balance - %(amount)s >= -credit_limit
"""
_USE = """
UPDATE quotas SET used = used + %(quota)s
WHERE account_id = %(account)s AND month = %(month)s AND used + %(quota)s <= granted
"""


@value_class
class Moved:
    """Money and quota of a batch's messages, moved together."""

    account: int
    batch: UUID
    #: any one of the messages: its id gives the month
    message: UUID
    amount: int
    quota: int


@value_class
class Hold:
    """The amounts to hold for one batch."""

    account: int
    batch: UUID
    month: date
    amount: int
    quota: int


def hold_all(conn: Connection, holds: Sequence[Hold], at: datetime) -> None:
    """Hold money and quota for batches; InsufficientFunds when they do not suffice.

    The wallets' rows stay locked until the commit, so call it last; they are locked in order of account, so that two
    calls do not deadlock.
    """
    if not holds:
        return
    moves = [(each.account, each.batch, each.amount, each.quota) for each in holds]
    _move(conn, LedgerEntry.HOLD, (Book.WALLET, Book.HELD), moves, at)
    amounts: defaultdict[int, int] = defaultdict(int)
    quotas: defaultdict[tuple[int, date], int] = defaultdict(int)
    for each in holds:
        amounts[each.account] += each.amount
        quotas[each.account, each.month] += each.quota
    debit(conn, amounts, quotas)


def debit(conn: Connection, amounts: Mapping[int, int], quotas: Mapping[tuple[int, date], int]) -> None:
    """Take money from wallets (by account) and segments from quotas (by account and month); InsufficientFunds.

    The ledger's entries are the caller's. The rows stay locked until the commit, wallets before quotas as in `release`.
    """
    for account, amount in sorted(amounts.items()):
        if amount and conn.exec_driver_sql(_DEBIT, {"account": account, "amount": amount}).rowcount == 0:
            raise InsufficientFunds("wallet")
    for (account, month), quota in sorted(quotas.items()):
        params = {"account": account, "month": month, "quota": quota}
        if quota and conn.exec_driver_sql(_USE, params).rowcount == 0:
            raise InsufficientFunds("quota")


def capture(conn: Connection, moved: Iterable[Moved], at: datetime) -> None:
    """Capture what was held."""
    _move(conn, LedgerEntry.CAPTURE, (Book.HELD, Book.EARNED), _moves(moved), at)


_LOCK = "SELECT FROM wallets WHERE account_id = ANY(%(accounts)s) ORDER BY account_id FOR UPDATE"
_LOCK_QUOTAS = """
SELECT FROM quotas WHERE (account_id, month) IN (SELECT * FROM unnest(%(accounts)b::int4[], %(months)b::date[]))
ORDER BY account_id, month FOR UPDATE
"""
_CREDIT = """
UPDATE wallets AS w SET balance = balance + c.amount
FROM (SELECT account_id, sum(amount)::int8 AS amount
      FROM unnest(%(accounts)b::int4[], %(amounts)b::int8[]) AS c (account_id, amount) GROUP BY account_id) AS c
WHERE w.account_id = c.account_id
"""
_UNUSE = """
UPDATE quotas AS q SET used = used - c.quota
FROM (SELECT account_id, month, sum(quota)::int4 AS quota
      FROM unnest(%(accounts)b::int4[], %(months)b::date[], %(quotas)b::int8[]) AS c (account_id, month, quota)
      GROUP BY account_id, month) AS c
WHERE q.account_id = c.account_id AND q.month = c.month
"""


def release(conn: Connection, moved: Sequence[Moved], at: datetime) -> None:
    """Give back what was held.

    Wallets and quotas are locked in `hold_all`'s order until the commit: call it last, and once in a
    transaction.
    """
    moved = [each for each in moved if each.amount or each.quota]
    if not moved:
        return
    _move(conn, LedgerEntry.RELEASE, (Book.HELD, Book.WALLET), _moves(moved), at)
    credit(conn, [(each.account, ids.month(each.message), each.amount, each.quota) for each in moved])


def credit(conn: Connection, given: Sequence[tuple[int, date, int, int]]) -> None:
    """Give money and segments of quota back: (account, month of the quota, minor units, segments).

    The ledger's entries are the caller's. The rows stay locked until the commit.
    """
    accounts, months, amounts, quotas = (list(column) for column in zip(*given, strict=True))
    params = {"accounts": accounts, "amounts": amounts, "months": months, "quotas": quotas}
    conn.exec_driver_sql(_LOCK, params)
    if any(quotas):
        conn.exec_driver_sql(_LOCK_QUOTAS, params)
        conn.exec_driver_sql(_UNUSE, params)
    conn.exec_driver_sql(_CREDIT, params)


_ENTRIES = """
INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book, batch_id, at)
SELECT e.account_id, %(kind)s, coalesce(e.unit, a.currency), e.amount, %(source)s, %(target)s, e.batch_id, %(at)s
FROM unnest(%(accounts)b::int4[], %(units)b::text[], %(amounts)b::int8[], %(batches)b::uuid[])
     AS e (account_id, unit, amount, batch_id)
JOIN accounts AS a ON a.id = e.account_id
"""
#: account, batch, money, segments of quota
_BatchMove = tuple[int, UUID, int, int]


def _moves(moved: Iterable[Moved]) -> list[_BatchMove]:
    return [(each.account, each.batch, each.amount, each.quota) for each in moved]


def _move(
    conn: Connection, kind: LedgerEntry, books: tuple[Book, Book], moves: Iterable[_BatchMove], at: datetime
) -> None:
    entries: list[tuple[int, str | None, int, UUID]] = []
    for account, batch, amount, quota in moves:
        entries += [(account, None, amount, batch)] if amount else []
        entries += [(account, SEGMENTS, quota, batch)] if quota else []
    if not entries:
        return
    source, target = books
    accounts, units, amounts, batches = (list(column) for column in zip(*entries, strict=True))
    conn.exec_driver_sql(
        _ENTRIES,
        {
            "kind": str(kind),
            "source": str(source),
            "target": str(target),
            "at": at,
            "accounts": accounts,
            "units": units,
            "amounts": amounts,
            "batches": batches,
        },
    )


_TOPUP = """
INSERT INTO wallets (account_id, balance) VALUES (%(account)s, %(amount)s)
ON CONFLICT (account_id) DO UPDATE SET balance = wallets.balance + excluded.balance
RETURNING balance
"""
_GRANT = """
INSERT INTO quotas (account_id, month, granted) VALUES (%(account)s, %(month)s, %(segments)s)
ON CONFLICT (account_id, month) DO UPDATE SET granted = quotas.granted + excluded.granted
RETURNING granted - used
"""
_ENTRY = """
INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book, note, at)
SELECT id, %(kind)s, coalesce(%(unit)s, currency), %(amount)s, 'outside', 'wallet', %(note)s, %(at)s
FROM accounts WHERE id = %(account)s
"""


def top_up(conn: Connection, account: int, amount: int, note: str, at: datetime) -> int:
    """Add money to an account's wallet; return the balance."""
    entry = {"account": account, "kind": str(LedgerEntry.TOPUP), "unit": None, "amount": amount, "note": note}
    conn.exec_driver_sql(_ENTRY, entry | {"at": at})
    return int(conn.exec_driver_sql(_TOPUP, {"account": account, "amount": amount}).scalar_one())


def grant(conn: Connection, account: int, month: date, segments: int, note: str, at: datetime) -> int:
    """Add segments to an account's quota of a month; return the remaining quota."""
    entry = {"account": account, "kind": str(LedgerEntry.GRANT), "unit": SEGMENTS, "amount": segments, "note": note}
    conn.exec_driver_sql(_ENTRY, entry | {"at": at})
    return int(conn.exec_driver_sql(_GRANT, {"account": account, "month": month, "segments": segments}).scalar_one())


_CREDIT_LIMIT = """
UPDATE wallets SET credit_limit = %(limit)s WHERE account_id = %(account)s AND balance >= -%(limit)s
"""


def set_credit_limit(conn: Connection, account: int, limit: int) -> bool:
    """Set how far below zero a wallet may go; return False when it is already lower."""
    return conn.exec_driver_sql(_CREDIT_LIMIT, {"account": account, "limit": limit}).rowcount > 0


_SET_PRICE = """
INSERT INTO prices (account_id, destination, currency, per_segment, from_at)
VALUES (%(account)s, %(to)s, %(currency)s, %(price)s, %(from_at)s)
"""


def set_price(
    conn: Connection,
    destination: str,
    currency: str,
    per_segment: int,
    from_at: datetime,
    account: int | None = None,
) -> None:
    """Insert a price, in force from `from_at`; earlier prices stay in the table."""
    params = {"account": account, "to": destination, "currency": currency, "price": per_segment, "from_at": from_at}
    conn.exec_driver_sql(_SET_PRICE, params)


_LIST_PRICES = """
SELECT DISTINCT ON (a.name, destination, p.currency)
       a.name AS account, destination, p.currency, per_segment, from_at
FROM prices AS p LEFT JOIN accounts AS a ON a.id = p.account_id
WHERE from_at <= %(now)s ORDER BY a.name NULLS FIRST, destination, p.currency, from_at DESC
"""


def list_prices(conn: Connection, now: datetime) -> list[dict[str, Any]]:
    """Return the prices in force, common ones (account None) first."""
    return [dict(row) for row in conn.exec_driver_sql(_LIST_PRICES, {"now": now}).mappings()]


# OFFSET 0: all are read by one plan, whatever the planner thinks of the conditions
_SOME_PRICES = f"""
WITH listed AS (
    SELECT row_number() OVER () AS place, p.* FROM ({_LIST_PRICES} OFFSET 0) AS p
    WHERE starts_with(destination, %(destination)s) AND (currency = %(currency)s OR %(currency)s::text IS NULL)
      AND (account IS NULL OR account = %(account)s OR %(account)s::text IS NULL)
)
SELECT *, (SELECT count(*) FROM listed) AS found FROM listed ORDER BY place LIMIT %(limit)s
"""


def some_prices(
    conn: Connection, now: datetime, destination: str, account: str | None, currency: str | None, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return up to `limit` prices in force, and how many further ones there are.

    `destination`: what their destination begins with; `account`: whose prices besides the common ones, None: any.
    """
    params = {"now": now, "destination": destination, "account": account, "currency": currency, "limit": limit}
    rows = [dict(row) for row in conn.exec_driver_sql(_SOME_PRICES, params).mappings()]
    return rows, rows[0]["found"] - len(rows) if rows else 0
