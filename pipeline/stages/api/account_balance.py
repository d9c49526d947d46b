"""Balance of an account, for its API."""

from pipeline.runtime import Runtime
from pipeline.store import accounts
from schema.api_views import AccountBalance


def balance(rt: Runtime, account_id: int) -> AccountBalance:
    """Return the account's balance in minor units of its currency."""
    with rt.begin() as conn:
        return accounts.balance(conn, account_id)
