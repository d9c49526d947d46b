"""`postroad wallet`: tops up money and quota, sets credit. Money is in minor units: 5000 is 50.00."""

from datetime import UTC, datetime

import click

from pipeline.stages.admin.wallets import grant, set_alert, set_credit_limit, top_up
from workers.cli.terminal.opened import opened


@click.group()
def wallet() -> None:
    """Wallets: money, credit and monthly quota of accounts. Money is in minor units: 5000 is 50.00."""


@wallet.command()
@click.argument("account")
@click.argument("amount", type=int)
@click.option("--note", default="", help="A note in the ledger.")
def topup(account: str, amount: int, note: str) -> None:
    """Add AMOUNT minor units to the wallet of ACCOUNT."""
    with opened() as rt:
        balance = top_up(rt, account, amount, note)
    click.echo(f"balance {balance:,}")


@wallet.command()
@click.argument("account")
@click.argument("segments", type=int)
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="Such as 2026-12; by default this month (UTC).")
@click.option("--note", default="", help="A note in the ledger.")
def quota(account: str, segments: int, month: datetime | None, note: str) -> None:
    """Add SEGMENTS to a month's quota of ACCOUNT, which is used before money."""
    with opened() as rt:
        left = grant(rt, account, segments, note, month.replace(tzinfo=UTC).date() if month else None)
    click.echo(f"{left:,} segments left")


@wallet.command()
@click.argument("account")
@click.argument("limit", type=int)
def credit(account: str, limit: int) -> None:
    """Allow the balance of ACCOUNT to be negative by LIMIT minor units."""
    with opened() as rt:
        set_credit_limit(rt, account, limit)
    click.echo(f"credit limit {limit:,}")


@wallet.command()
@click.argument("account")
@click.argument("amount", type=int)
def alert(account: str, amount: int) -> None:
    """Report the wallet of ACCOUNT as low in the metrics while less than AMOUNT minor units are left; 0: never.

    Its credit counts as left.
    """
    with opened() as rt:
        set_alert(rt, account, amount or None)
    click.echo(f"reported below {amount:,}" if amount else "never reported")
