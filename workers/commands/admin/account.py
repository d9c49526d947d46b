"""`postroad account`: who may send, under which names, and with what money."""

from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.stages.office import administer
from schema.vocabulary import AccountState, SenderState
from workers.terminal.layout import as_json, table
from workers.terminal.opened import opened

_STATES = click.Choice([state.value for state in SenderState])


@click.group()
def account() -> None:
    """Accounts: their money, quota, senders and templates. Money is in minor units: 5000 is 50.00."""


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
@click.argument("amount", type=int)
@click.option("--note", default="", help="Kept with the ledger's entry.")
def topup(name: str, amount: int, note: str) -> None:
    """Add AMOUNT minor units to the wallet of the account NAME."""
    with opened() as rt:
        balance = administer.top_up(rt, name, amount, note)
    click.echo(f"balance {balance:,}")


@account.command()
@click.argument("name")
@click.argument("segments", type=int)
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="2026-12; this month (UTC) unless said.")
@click.option("--note", default="", help="Kept with the ledger's entry.")
def quota(name: str, segments: int, month: datetime | None, note: str) -> None:
    """Add SEGMENTS to a month's quota of the account NAME: it pays before the wallet does."""
    with opened() as rt:
        left = administer.grant(rt, name, segments, note, month.replace(tzinfo=UTC).date() if month else None)
    click.echo(f"{left:,} segments left")


@account.command()
@click.argument("name")
@click.argument("limit", type=int)
def credit(name: str, limit: int) -> None:
    """Let the wallet of the account NAME go LIMIT minor units below nothing."""
    with opened() as rt:
        administer.set_credit_limit(rt, name, limit)
    click.echo(f"credit limit {limit:,}")


@account.command()
@click.argument("name")
@click.argument("sender")
@click.option(
    "--state", type=_STATES, default=SenderState.APPROVED.value, show_default=True, help="pending: tests only."
)
def sender(name: str, sender: str, state: str) -> None:
    """Register the sender id SENDER on the account NAME, or change its state."""
    with opened() as rt:
        administer.set_sender(rt, name, sender, SenderState(state))
    click.echo(f"sender {sender} is {state}")


@account.command()
@click.argument("name")
@click.argument("slug", required=False)
@click.option("--text", help="The template's text, with ${name} where a merge field goes.")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Take the text from a file.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def template(name: str, slug: str | None, text: str | None, file: Path | None, json_: bool) -> None:
    """Write the template SLUG of the account NAME, or its new text; without SLUG, list them."""
    body = file.read_text("utf-8") if file else text
    if (slug is None) != (body is None):
        raise click.UsageError("to write a template say its SLUG and --text or --file; to list them neither")
    with opened() as rt:
        if slug is None or body is None:
            found = administer.list_templates(rt, name)
            shown = (
                as_json(found) if json_ else table(["template", "text"], [(row["slug"], row["body"]) for row in found])
            )
        else:
            id_ = administer.set_template(rt, name, slug, body)
            shown = as_json({"slug": slug, "id": id_}) if json_ else f"template {slug} {id_}"
    click.echo(shown)


@account.command()
@click.argument("name")
def suspend(name: str) -> None:
    """Let the account NAME send no more; what was accepted already goes out."""
    with opened() as rt:
        administer.set_account_state(rt, name, AccountState.SUSPENDED)
    click.echo(f"account {name} is suspended")


@account.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let the account NAME send again."""
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
