"""Purse: tell an account what it has."""

from pipeline.runtime import Runtime
from pipeline.store import accounts
from schema.shown import Purse


def purse(rt: Runtime, account_id: int) -> Purse:
    """Return what the account has."""
    with rt.begin() as conn:
        return accounts.purse(conn, account_id)
