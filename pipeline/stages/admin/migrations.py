"""Migrate: bring the database to the shape this code needs."""

from collections.abc import Mapping

from pipeline.runtime import Runtime, Work
from pipeline.store import dialects, migrations, sealed


def migrate(rt: Runtime, apis: Mapping[str, bool]) -> tuple[str | None, str]:
    """Apply what is missing; return the revision before and after. Carriers' settings are sealed where they are not.

    `apis`: the dialects there are, by name whether each tells of persons' numbers.
    """
    with rt.begin(Work.MAINTENANCE) as conn:
        revisions = migrations.upgrade(conn, rt.now().date())
        dialects.write(conn, apis)
        sealed.reseal_settings(conn, rt.resealed)
        return revisions


def is_current(rt: Runtime) -> bool:
    """Tell whether the database has the shape this code needs."""
    with rt.begin() as conn:
        return migrations.current(conn) == migrations.head()
