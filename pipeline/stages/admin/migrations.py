"""Migrate: bring the database to the shape this code needs."""

from pipeline.runtime import Runtime, Work
from pipeline.store import migrations, sealed


def migrate(rt: Runtime) -> tuple[str | None, str]:
    """Apply what is missing; return the revision before and after. Carriers' settings are sealed where they are not."""
    with rt.begin(Work.MAINTENANCE) as conn:
        revisions = migrations.upgrade(conn, rt.now().date())
        sealed.reseal_settings(conn, rt.resealed)
        return revisions


def is_current(rt: Runtime) -> bool:
    """Tell whether the database has the shape this code needs."""
    with rt.begin() as conn:
        return migrations.current(conn) == migrations.head()
