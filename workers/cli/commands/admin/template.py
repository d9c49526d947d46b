"""`postroad template`: writes and lists an account's templates."""

from pathlib import Path

import click

from pipeline.stages.admin.account_templates import list_templates, list_versions, set_template
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def template() -> None:
    """Templates of accounts: reusable texts with ${name} for merge fields."""


@template.command()
@click.argument("account")
@click.argument("slug")
@click.option("--text", help="The template's text, with ${name} for merge fields.")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read the text from a file.")
def add(account: str, slug: str, text: str | None, file: Path | None) -> None:
    """Create the template SLUG of ACCOUNT, or replace its text: that is another version of it."""
    if (text is None) == (file is None):
        raise click.UsageError("give the text by --text or --file")
    body = file.read_text("utf-8") if file else text
    assert body is not None
    with opened() as rt:
        id_, version = set_template(rt, account, slug, body)
    click.echo(f"template {slug} {id_}, version {version}")


@template.command("list")
@click.argument("account")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str, json_: bool) -> None:
    """List the templates of ACCOUNT."""
    with opened() as rt:
        found = list_templates(rt, account)
    click.echo(
        as_json(found)
        if json_
        else table(["template", "version", "text"], [(row["slug"], row["version"], row["body"]) for row in found])
    )


@template.command()
@click.argument("account")
@click.argument("slug")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def versions(account: str, slug: str, json_: bool) -> None:
    """List the texts that the template SLUG of ACCOUNT has had, the latest first: when and by whom they were made."""
    with opened() as rt:
        found = list_versions(rt, account, slug)
    rows = [(each.version, each.made_at, each.made_by, each.body) for each in found]
    click.echo(as_json(found) if json_ else table(["version", "made", "by", "text"], rows))
