"""`postroad account`: creates, lists, suspends and resumes accounts."""

import click

from pipeline.stages.admin import compliance
from pipeline.stages.admin.accounts import create_account, list_accounts, set_account_state, set_four_eyes
from pipeline.stages.admin.accounts import subscribe as subscribe_account
from pipeline.stages.admin.sender_registration import set_sender
from pipeline.stages.admin.wallets import top_up
from schema.vocabulary import AccountState, SenderState
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import AmountOrOff
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def account() -> None:
    """Accounts. See also wallet, sender, template and key."""


@account.command()
@click.argument("name")
@click.option("--currency", required=True, help="The currency of its wallet and prices, ISO 4217: NGN, EUR …")
@click.option("--credit-limit", default=0, show_default=True, help="Minor units by which its balance may be negative.")
@click.option("--sender", "senders", multiple=True, help="A sender id to register. May be repeated.")
@click.option("--topup", "amount", type=click.IntRange(1), help="Initial balance in minor units.")
def create(name: str, currency: str, credit_limit: int, senders: tuple[str, ...], amount: int | None) -> None:
    """Create the account NAME."""
    with opened() as rt:
        create_account(rt, name, currency, credit_limit=credit_limit)
        for sender in senders:
            set_sender(rt, name, sender)
        if amount:
            top_up(rt, name, amount, "at its creation")
    click.echo(f"account {name} created")


@account.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List accounts with balance, what campaigns have reserved, this month's remaining quota, and senders."""
    with opened() as rt:
        rows = list_accounts(rt)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        (
            row["name"],
            row["state"],
            row["currency"],
            row["balance"],
            row["credit_limit"],
            row["reserved"],
            row["quota_left"],
            [word if state == SenderState.APPROVED else f"{word} ({state})" for word, state in row["senders"].items()],
        )
        for row in rows
    ]
    click.echo(table(["account", "state", "currency", "balance", "credit", "reserved", "quota left", "senders"], cells))


@account.command()
@click.argument("name")
def suspend(name: str) -> None:
    """Suspend the account NAME. Its unsent messages are held: they go on at `resume`, or expire.

    No message fails for it: held messages use no retry round, keep their money held, and expire by their own validity
    (a one-time password after minutes), which releases the money. `postroad status` counts held messages. Receipts of
    messages that a carrier already has are still processed.
    """
    with opened() as rt:
        held = set_account_state(rt, name, AccountState.SUSPENDED)
    click.echo(f"account {name} is suspended; {held:,} batches of its messages are held")


@account.command()
@click.argument("name")
def resume(name: str) -> None:
    """Resume the account NAME; its held messages go on within seconds."""
    with opened() as rt:
        set_account_state(rt, name, AccountState.ACTIVE)
    click.echo(f"account {name} is active")


@account.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Stop writing them.")
def subscribe(name: str, off: bool) -> None:
    """Write every status change of the account's messages to the table `events`."""
    with opened() as rt:
        subscribe_account(rt, name, not off)
    click.echo(f"account {name} {'writes no events any more' if off else 'writes events'}")


@account.command()
@click.argument("name")
@click.argument("countries")
def allow(name: str, countries: str) -> None:
    """Limit the account NAME to COUNTRIES, such as NG,GH. * removes the limit."""
    wanted = [] if countries == "*" else [word.strip().upper() for word in countries.split(",")]
    with opened() as rt:
        compliance.allow(rt, name, wanted)
    click.echo(f"account {name} may send to {', '.join(wanted) or 'every country'}")


@account.command("four-eyes")
@click.argument("name")
@click.argument("amount", type=AmountOrOff())
def four_eyes(name: str, amount: int) -> None:
    """Have campaigns of the account NAME that cost more than AMOUNT approved by another person than their creator.

    AMOUNT is in minor units; 0: any cost. off: the creator's approval suffices again. A person is a user of the
    operating system, a user of the console or an API key; a name given by --as is none.
    """
    wanted = None if amount < 0 else amount
    with opened() as rt:
        currency = set_four_eyes(rt, name, wanted)
    if wanted is None:
        click.echo(f"account {name}: the creator of a campaign may approve it, whatever it costs")
    else:
        click.echo(f"account {name}: campaigns above {wanted:,} minor units of {currency} need a second person")
