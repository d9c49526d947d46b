"""`postroad migrate`: migrates the database schema."""

import click

from pipeline.dialects import registry
from pipeline.stages.admin.migrations import is_current
from pipeline.stages.admin.migrations import migrate as migrate_database
from workers import logs
from workers.cli.terminal.opened import opened


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 unless it is up to date.")
def migrate(check: bool) -> int:
    """Migrate the database to this version's schema. Safe to run twice and concurrently."""
    logs.set_up("migrate", "WARNING")
    with opened() as rt:
        if check:
            current = is_current(rt)
            click.echo("up to date" if current else "not up to date: run `postroad migrate`")
            return 0 if current else 1
        before, after = migrate_database(rt, registry.rows())
    click.echo(f"up to date at {after}" if before == after else f"migrated from {before or 'nothing'} to {after}")
    return 0
