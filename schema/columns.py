"""Shared parts of the SQLAlchemy tables: metadata with naming conventions, timestamp and enumeration columns."""

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, func

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def one_of(column: str, *sets: type) -> CheckConstraint:
    """Return the CHECK constraint that limits a column to the values of these enumerations."""
    listed = ", ".join(f"'{word}'" for words in sets for word in words)  # type: ignore[attr-defined]
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def instant(name: str, **options: object) -> Column:  # type: ignore[type-arg]
    """Return a column of type timestamptz."""
    return Column(name, DateTime(timezone=True), **options)  # type: ignore[arg-type]


#: the transaction's start time
NOW = func.now()
