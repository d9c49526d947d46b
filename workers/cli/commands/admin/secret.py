"""`postroad secret`: the installation's secret key, and how it is replaced."""

from typing import Any

import click

from pipeline.stages.admin import secret_rotation as stage
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def secret() -> None:
    """Replace POSTROAD_SECRET_KEY, with nothing void meanwhile.

    \b
    1. Give every process the new key as POSTROAD_SECRET_KEY and the present one as POSTROAD_SECRET_KEY_OLD; restart.
       Processes that cannot all be restarted at once get the new key as POSTROAD_SECRET_KEY_OLD first, beside the
       present one in its place, so that each opens what the others have sealed.
    2. postroad secret rotate       seals again what the database keeps sealed
    3. postroad secret status       until no API key is left behind: each is hashed anew when it is used next
    4. Drop POSTROAD_SECRET_KEY_OLD and restart, a day after the first step or later: codes that were sent before it,
       access tokens, and what numbers have used up of their limits hang on it until they end. Keys that were never
       used since are void then: revoke them.

    `postroad up` keeps a key that it made itself in POSTROAD_HOME/kept.json, as secret_key_password. To replace that,
    stop it, set POSTROAD_SECRET_KEY_OLD to it and POSTROAD_SECRET_KEY to a new one, start it again, and go on with the
    second step. In the end write the new one into kept.json, or leave POSTROAD_SECRET_KEY set: what is set goes before
    what is kept.
    """


@secret.command()
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def rotate(json_: bool) -> None:
    """Seal again, under the present secret key, all that an older one has sealed. Safe to run twice."""
    with opened() as rt:
        done, replaced = stage.rotate(rt), bool(rt.vault.old)
    if json_:
        click.echo(as_json({"resealed": dict(done.resealed), "behind": done.behind}))
        return
    click.echo("sealed again: " + ", ".join(f"{count} of {name}" for name, count in done.resealed.items()))
    _tell(done.behind, replaced)


@secret.command()
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def status(json_: bool) -> int:
    """Show which API keys still hang on an older secret key. Exits with 1 while there are any."""
    with opened() as rt:
        behind, replaced = stage.behind(rt), bool(rt.vault.old)
    if json_:
        click.echo(as_json(behind))
    else:
        _tell(behind, replaced)
    return 1 if behind else 0


def _tell(behind: list[dict[str, Any]], replaced: bool) -> None:
    """Say which keys are left; `replaced`: the secret key is being replaced, as those before it are known."""
    if not behind:
        word = ": POSTROAD_SECRET_KEY_OLD can go" if replaced else ""
        click.echo(f"every API key is hashed with the present secret key{word}")
        return
    words = "hashed with an older secret key; each is hashed anew when it is used next"
    if not replaced:
        words = (
            "hashed with another secret key, or before those had versions. Of another they are void as long as it is"
            " not given as POSTROAD_SECRET_KEY_OLD; with that each is hashed anew when it is used next"
        )
    click.echo(f"{len(behind)} API keys are {words}:")
    rows = [[row["account"], row["dialect"], row["id"], f"…{row['hint']}", row["name"]] for row in behind]
    click.echo(table(["account", "API", "key", "ends in", "name"], rows))
