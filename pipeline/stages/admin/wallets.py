"""Wallets of accounts, as operators change them: top-ups, credit limits and monthly quotas."""

from datetime import date

from pipeline.errors import InvalidInput, require
from pipeline.rules.money.currencies import MOST_MONEY
from pipeline.runtime import Runtime
from pipeline.store import accounts, wallet_ledger

#: maximum quota of one entry, in segments: a larger one is considered a typing error
MOST_SEGMENTS = 10**9


def set_credit_limit(rt: Runtime, name: str, limit: int) -> None:
    """Set the credit limit of an account in minor units; InvalidInput: its balance is below minus the limit."""
    require(0 <= limit <= MOST_MONEY, "a credit limit is 0 or more minor units")
    with rt.begin() as conn:
        if not wallet_ledger.set_credit_limit(conn, accounts.named(conn, name).id, limit):
            raise InvalidInput(f"the balance of {name!r} is below -{limit}: top it up first")


def set_alert(rt: Runtime, name: str, amount: int | None) -> None:
    """Set below how many minor units, credit included, metrics report an account's wallet as low; None: never."""
    require(amount is None or 0 < amount <= MOST_MONEY, "an amount is a whole number of minor units above 0")
    with rt.begin() as conn:
        accounts.set_alert_below(conn, accounts.named(conn, name).id, amount)


def top_up(rt: Runtime, name: str, amount: int, note: str) -> int:
    """Add minor units of its currency to an account's wallet; return its balance. InvalidInput or NotFound."""
    require(0 < amount <= MOST_MONEY, "an amount is a whole number of minor units above 0: 5000 for 50.00")
    with rt.begin() as conn:
        return wallet_ledger.top_up(conn, accounts.named(conn, name).id, amount, note, rt.now())


def grant(rt: Runtime, name: str, segments: int, note: str, month: date | None = None) -> int:
    """Add segments to an account's quota of a month (default: this one, UTC); return the rest of that quota."""
    require(0 < segments <= MOST_SEGMENTS, "a quota is a whole number of segments above 0")
    with rt.begin() as conn:
        account = accounts.named(conn, name).id
        return wallet_ledger.grant(conn, account, (month or rt.now().date()).replace(day=1), segments, note, rt.now())
