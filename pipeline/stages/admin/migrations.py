"""Database migrations: upgrade the schema to the revision that this code needs."""

from collections.abc import Mapping

from pipeline.runtime import Runtime, Work
from pipeline.store import dialects, migrations, sealed
from schema.api import DialectEvents


def migrate(rt: Runtime, apis: Mapping[str, DialectEvents]) -> tuple[str | None, str]:
    """Apply the missing migrations; return the revision before and after. Plain settings of carriers are encrypted.

    `apis`: dialect → which events it has beside those of messages.
    """
    with rt.begin(Work.MAINTENANCE) as conn:
        revisions = migrations.upgrade(conn, rt.now().date())
        dialects.write(conn, apis)
        sealed.reseal_settings(conn, rt.resealed)
        return revisions


def is_current(rt: Runtime) -> bool:
    """Return whether the database has the revision that this code needs."""
    with rt.begin() as conn:
        return migrations.current(conn) == migrations.head()
