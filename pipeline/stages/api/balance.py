"""Purse: tell an account what it has."""

from pipeline.runtime import Runtime
from pipeline.store import accounts
from schema.api_views import AccountBalance


def balance(rt: Runtime, account_id: int) -> AccountBalance:
    """Return what the account has."""
    with rt.begin() as conn:
        return accounts.balance(conn, account_id)
