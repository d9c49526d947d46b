"""`postroad account`: who may send."""

import click

from pipeline.stages.admin import administer, compliance
from schema.vocabulary import AccountState, SenderState
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def account() -> None:
    """Accounts: who may send. What they have is under wallet, sender, template and key."""


@account.command()
@click.argument("name")
@click.option("--currency", required=True, help="ISO 4217: NGN, EUR …; wallet and prices are in it.")
@click.option("--credit-limit", default=0, show_default=True, help="Minor units its wallet may go below nothing.")
@click.option("--sender", "senders", multiple=True, help="A sender id to register. May be repeated.")
@click.option("--topup", "amount", type=click.IntRange(1), help="Minor units to begin with.")
def create(name: str, currency: str, credit_limit: int, senders: tuple[str, ...], amount: int | None) -> None:
    """Create the account NAME."""
    with opened() as rt:
        administer.create_account(rt, name, currency, credit_limit=credit_limit)
        for sender in senders:
            administer.set_sender(rt, name, sender)
        if amount:
            administer.top_up(rt, name, amount, "at its creation")
    click.echo(f"account {name} created")


@account.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List accounts with their balance, what is left of this month's quota, and their senders."""
    with opened() as rt:
        rows = administer.list_accounts(rt)
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
            row["quota_left"],
            [word if state == SenderState.APPROVED else f"{word} ({state})" for word, state in row["senders"].items()],
        )
        for row in rows
    ]
    click.echo(table(["account", "state", "currency", "balance", "credit", "quota left", "senders"], cells))


@account.command()
@click.argument("name")
def suspend(name: str) -> None:
    """Let the account NAME send no more. What it has on its way is held: it goes on at `resume`, or expires.

    Nothing fails for it: held messages cost no round over the routes, keep their money held, and expire by their own
    validity (a code after its minutes), which gives the money back. `postroad status` tells how many are held. What a
    carrier has already is still reported.
    """
    with opened() as rt:
        held = administer.set_account_state(rt, name, AccountState.SUSPENDED)
    click.echo(f"account {name} is suspended; {held:,} batches of its messages are held")


@account.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let the account NAME send again; what was held for it goes on within seconds."""
    with opened() as rt:
        administer.set_account_state(rt, name, AccountState.ACTIVE)
    click.echo(f"account {name} is active")


@account.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="No more.")
def subscribe(name: str, off: bool) -> None:
    """Have every move of the account's messages written to `events`."""
    with opened() as rt:
        administer.subscribe(rt, name, not off)
    click.echo(f"account {name} {'has no events any more' if off else 'has its events written'}")


@account.command()
@click.argument("name")
@click.argument("countries")
def allow(name: str, countries: str) -> None:
    """Let the account NAME send to COUNTRIES only: NG,GH. * lets it send everywhere again."""
    wanted = [] if countries == "*" else [word.strip().upper() for word in countries.split(",")]
    with opened() as rt:
        compliance.allow(rt, name, wanted)
    click.echo(f"account {name} may send to {', '.join(wanted) or 'every country'}")
