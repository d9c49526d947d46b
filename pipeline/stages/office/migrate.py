"""Migrate: bring the database to the shape this code needs."""

from pipeline.runtime import Runtime, Work
from pipeline.store import migrations


def migrate(rt: Runtime) -> tuple[str | None, str]:
    """Apply what is missing; return the revision before and after."""
    with rt.begin(Work.MAINTENANCE) as conn:
        return migrations.upgrade(conn, rt.now().date())


def is_current(rt: Runtime) -> bool:
    """Tell whether the database has the shape this code needs."""
    with rt.begin() as conn:
        return migrations.current(conn) == migrations.head()
