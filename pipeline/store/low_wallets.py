"""Wallets that are low, for metrics: below what `postroad wallet alert` set."""

from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class LowWallet:
    """A wallet with less than its account's limit."""

    account: str
    currency: str
    #: minor units, with its credit
    left: int


_LOW = """
SELECT a.name, a.currency, w.balance + w.credit_limit AS spendable
FROM accounts AS a JOIN wallets AS w ON w.account_id = a.id
WHERE a.alert_below IS NOT NULL AND a.state = 'active' AND w.balance + w.credit_limit < a.alert_below ORDER BY a.name
"""


def low_wallets(conn: Connection) -> list[LowWallet]:
    """Return the wallets of active accounts that are below their limit."""
    return [LowWallet(row.name, row.currency, row.spendable) for row in conn.exec_driver_sql(_LOW)]
