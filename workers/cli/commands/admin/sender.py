"""`postroad sender`: registers and lists an account's sender ids."""

import click

from pipeline.stages.admin.accounts import account_of
from pipeline.stages.admin.sender_registration import set_sender
from schema.vocabulary import SenderState
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import table

_STATES = click.Choice([state.value for state in SenderState])


@click.group()
def sender() -> None:
    """Sender ids of accounts, which recipients see."""


@sender.command()
@click.argument("account")
@click.argument("word", metavar="SENDER")
@click.option(
    "--state", type=_STATES, default=SenderState.APPROVED.value, show_default=True, help="pending: tests only."
)
@click.option("--reason", help="Why it was rejected; shown to the account.")
@click.option(
    "--country", "countries", multiple=True, help="For this country (NG) only; may be repeated. *: every country."
)
def add(account: str, word: str, state: str, reason: str | None, countries: tuple[str, ...]) -> None:
    """Register SENDER on ACCOUNT, or change its state; its countries stay unless given."""
    wanted = [country for country in countries if country != "*"] if countries else None
    with opened() as rt:
        set_sender(rt, account, word, SenderState(state), reason, wanted)
    click.echo(f"sender {word} is {state}")


@sender.command("list")
@click.argument("account")
def list_(account: str) -> None:
    """List the senders of ACCOUNT and their states."""
    with opened() as rt:
        found = account_of(rt, account)
    click.echo(table(["sender", "state"], list(found["senders"].items())))
