"""Accounts, as operators create, list, suspend and resume them."""

import re
from typing import Any

from pipeline.errors import AlreadyExists, require
from pipeline.rules.money.currencies import MOST_MONEY, check_currency
from pipeline.runtime import Runtime
from pipeline.store import accounts, held_batches, wallet_ledger
from schema.vocabulary import AccountState

Row = dict[str, Any]

#: batches put on hold in one transaction
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
            wallet_ledger.set_credit_limit(conn, account, credit_limit)
    return account


def list_accounts(rt: Runtime) -> list[Row]:
    """Return every account with its balance, the remaining quota of this month, and its sender ids."""
    with rt.begin() as conn:
        return accounts.listing(conn, rt.now().date().replace(day=1))


def account_of(rt: Runtime, name: str) -> Row:
    """Return one account, as `list_accounts` does; NotFound."""
    with rt.read_only() as conn:
        accounts.named(conn, name)
        [found] = accounts.listing(conn, rt.now().date().replace(day=1), name)
    return found


def set_account_state(rt: Runtime, name: str, state: AccountState) -> int:
    """Suspend or resume an account; return how many of its batches this put on hold. NotFound.

    `promote` releases held batches when the account is resumed, and expires them if that is too late.
    """
    with rt.begin() as conn:
        account = accounts.named(conn, name).id
        accounts.set_state(conn, account, state)
        waiting = held_batches.open_of(conn, account) if state is AccountState.SUSPENDED else []
    held = 0
    for start in range(0, len(waiting), PORTION):
        with rt.begin() as conn:
            held += held_batches.hold(conn, waiting[start : start + PORTION])
    return held


def subscribe(rt: Runtime, name: str, on: bool) -> None:
    """Start or stop writing the status changes of an account's messages to the table `events`; NotFound."""
    with rt.begin() as conn:
        accounts.subscribe(conn, accounts.named(conn, name).id, on)


def set_four_eyes(rt: Runtime, name: str, amount: int | None) -> str:
    """Require another approver than the creator for campaigns above a cost in minor units; None: not any more.

    Returns the account's currency. InvalidInput, NotFound.
    """
    require(amount is None or 0 <= amount <= MOST_MONEY, "the cost is 0 or more minor units")
    with rt.begin() as conn:
        account = accounts.named(conn, name)
        accounts.set_four_eyes(conn, account.id, amount)
    return account.currency
