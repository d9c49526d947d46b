"""`postroad secret`: rotates the installation's secret key."""

from typing import Any

import click

from pipeline.stages.admin import secret_rotation as stage
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def secret() -> None:
    """Replace POSTROAD_SECRET_KEY without downtime.

    \b
    1. Give every process the new key as POSTROAD_SECRET_KEY and the present one as POSTROAD_SECRET_KEY_OLD; restart.
       Processes that cannot all be restarted at once get the new key as POSTROAD_SECRET_KEY_OLD first, beside the
       present one in its place, so that each can decrypt what the others encrypt.
    2. postroad secret rotate       encrypts secrets in the database with the new key
    3. postroad secret status       repeat until no API key is left: each is hashed with the new key at its next use
    4. Remove POSTROAD_SECRET_KEY_OLD and restart, a day after the first step or later: codes sent before it, access
       tokens and the use of limits by number depend on it until they expire. Keys that were not used since become
       invalid: revoke them.

    `postroad up` keeps a generated key in POSTROAD_HOME/kept.json, as secret_key_password. To replace that, stop it,
    set POSTROAD_SECRET_KEY_OLD to it and POSTROAD_SECRET_KEY to a new one, start it again, and go on with the second
    step. In the end write the new one into kept.json, or leave POSTROAD_SECRET_KEY set: the setting precedes the file.
    """


@secret.command()
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def rotate(json_: bool) -> None:
    """Encrypt all secrets in the database with the present secret key. Safe to run twice."""
    with opened() as rt:
        done, replaced = stage.rotate(rt), bool(rt.vault.old)
    if json_:
        click.echo(as_json({"resealed": dict(done.resealed), "behind": done.behind}))
        return
    click.echo("encrypted again: " + ", ".join(f"{count} of {name}" for name, count in done.resealed.items()))
    _print_status(done.behind, replaced)


@secret.command()
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def status(json_: bool) -> int:
    """Show API keys that are still hashed with an older secret key. Exits with 1 while there are any."""
    with opened() as rt:
        behind, replaced = stage.behind(rt), bool(rt.vault.old)
    if json_:
        click.echo(as_json(behind))
    else:
        _print_status(behind, replaced)
    return 1 if behind else 0


@secret.command("new-search-key")
def new_search_key() -> None:
    """Replace the key of the search by number, if it was disclosed or the secret key is lost.

    All messages are indexed anew by the clock, the latest first, 5,000 a second.
    """
    with opened() as rt:
        stage.replace_search_key(rt)
    click.echo("the search key is deleted; the clock makes another and indexes all messages anew")


def _print_status(behind: list[dict[str, Any]], replaced: bool) -> None:
    """Print which keys are left; `replaced`: an old secret key is set."""
    if not behind:
        word = ": POSTROAD_SECRET_KEY_OLD can be removed" if replaced else ""
        click.echo(f"every API key is hashed with the present secret key{word}")
        return
    words = "hashed with an older secret key; each is hashed again at its next use"
    if not replaced:
        words = (
            "hashed with another secret key, or without a key version. With another key they are invalid unless it is"
            " given as POSTROAD_SECRET_KEY_OLD; then each is hashed again at its next use"
        )
    click.echo(f"{len(behind)} API keys are {words}:")
    rows = [[row["account"], row["dialect"], row["id"], f"…{row['hint']}", row["name"]] for row in behind]
    click.echo(table(["account", "API", "key", "ends in", "name"], rows))
