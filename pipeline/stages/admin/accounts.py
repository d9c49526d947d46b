"""Accounts, as operators create, list, suspend and resume them."""

import re
from typing import Any

from pipeline.errors import AlreadyExists, require
from pipeline.rules.money.currencies import MOST_MONEY, check_currency
from pipeline.runtime import Runtime
from pipeline.store import accounts, holds, ledger
from schema.vocabulary import AccountState

Row = dict[str, Any]

#: batches that one transaction holds
PORTION = 2000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def create_account(rt: Runtime, name: str, currency: str, *, credit_limit: int = 0) -> int:
    """Create an account with an empty wallet; return its id. AlreadyExists: the name is taken."""
    require(_NAME.fullmatch(name), f"{name!r} cannot be an account's name: use letters, digits, - _ . (at most 64)")
    check_currency(currency)
    require(0 <= credit_limit <= MOST_MONEY, "a credit limit is 0 or more minor units")
    with rt.begin() as conn:
        account = accounts.create(conn, name, currency)
        if account is None:
            raise AlreadyExists(f"there is an account {name!r} already")
        if credit_limit:
            ledger.set_credit_limit(conn, account, credit_limit)
    return account


def list_accounts(rt: Runtime) -> list[Row]:
    """Return every account with its balance, the rest of this month's quota, and its senders."""
    with rt.begin() as conn:
        return accounts.listing(conn, rt.now().date().replace(day=1))


def set_account_state(rt: Runtime, name: str, state: AccountState) -> int:
    """Suspend or resume an account; return how many batches of its messages are held from now.

    Held batches wait until it is resumed, or expire: `promote` does both.
    """
    with rt.begin() as conn:
        account = accounts.named(conn, name).id
        accounts.set_state(conn, account, state)
        waiting = holds.open_of(conn, account) if state is AccountState.SUSPENDED else []
    held = 0
    for start in range(0, len(waiting), PORTION):
        with rt.begin() as conn:
            held += holds.hold(conn, waiting[start : start + PORTION])
    return held


def subscribe(rt: Runtime, name: str, on: bool) -> None:
    """Write the status changes of an account's messages to `events`, or stop it."""
    with rt.begin() as conn:
        accounts.subscribe(conn, accounts.named(conn, name).id, on)
