"""`postroad person`: an account's own customers, for APIs that send to persons."""

import click

from pipeline.stages.admin import person_import
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def person() -> None:
    """Persons: an account's own customers, which some APIs name instead of numbers."""


@person.command()
@click.argument("account")
@click.argument("person_id")
@click.option("--phone", help="The phone number with its country code: +4915112345678.")
@click.option("--country", type=Country(), help="Country of a number without a plus, such as NG.")
@click.option("--verified", is_flag=True, help="The number is verified; only verified numbers get messages.")
def add(account: str, person_id: str, phone: str | None, country: str | None, verified: bool) -> None:
    """Add the person PERSON_ID to ACCOUNT, or a number to a person without one."""
    with opened() as rt:
        person_import.add_person(rt, account, person_id, phone, country=country, verified=verified)
    click.echo(f"person {person_id} is saved on account {account}")


@person.command()
@click.argument("account")
@click.argument("person_id")
def drop(account: str, person_id: str) -> None:
    """Remove the number of PERSON_ID; the person stays on ACCOUNT."""
    with opened() as rt:
        had = person_import.remove_person_number(rt, account, person_id)
    click.echo(f"person {person_id} has no number any more" if had else f"person {person_id} had no number")


@person.command("list")
@click.argument("account")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str, json_: bool) -> None:
    """List the persons of ACCOUNT; a number that is not verified gets only its verification code."""
    with opened() as rt:
        rows = person_import.list_persons(rt, account)
    if json_:
        click.echo(as_json(rows))
        return
    words = ("person_id", "phone", "verified", "created_at")
    click.echo(table(["person", "number", "verified", "since"], [[row[word] for word in words] for row in rows]))
