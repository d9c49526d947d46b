"""`postroad audit`: checks the invariants, each with its number of violations."""

import click

from pipeline.stages.admin.audit import audit as check
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def audit(json_: bool) -> int:
    """Check that no message was lost, doubled or charged twice; exit with 1 if one was.

    Reads every message, attempt and ledger row in one snapshot; workers go on meanwhile.
    """
    with opened() as rt:
        findings = check(rt)
    broken = [finding for finding in findings if finding.broken]
    if json_:
        click.echo(as_json({"sound": not broken, "invariants": findings}))
    else:
        rows = [(each.name, "BROKEN" if each.broken else "holds", each.broken, each.holds) for each in findings]
        click.echo(table(["invariant", "", "faults", "what must hold"], rows))
        click.echo(f"\n{len(broken)} of {len(findings)} are broken." if broken else "\nAll of them hold.")
    return 1 if broken else 0
