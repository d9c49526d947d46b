"""Rotate: seal again, under the installation's present secret key, all that the database keeps sealed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.runtime import Runtime
from pipeline.store import sealed
from pipeline.store.sealed import SealedColumn

Row = dict[str, Any]

#: rows sealed again in one transaction
_PORTION = 500


@dataclass(frozen=True, slots=True)
class Rotation:
    """How far the replacement of the secret key has come."""

    #: what was sealed again, by table
    resealed: Mapping[str, int]
    #: API keys whose hash is still of a key before: each is hashed anew when it is used next
    behind: list[Row]


def rotate(rt: Runtime) -> Rotation:
    """Seal again what was sealed under an older secret key, or not at all; safe to run twice and to break off.

    ConfigurationError when something was sealed under a key that is neither the present one nor among the old.
    """
    resealed: dict[str, int] = {}
    for column in sealed.COLUMNS:
        resealed[column.table] = resealed.get(column.table, 0) + _reseal(rt, column)
    with rt.begin() as conn:
        resealed["carriers"] = sealed.reseal_settings(conn, rt.resealed)
        sealed.stamp_sealed_keys(conn, rt.vault.id)
        return Rotation(resealed, sealed.keys_behind(conn, rt.vault.id))


def behind(rt: Runtime) -> list[Row]:
    """Return the API keys that would be void without the old secret keys."""
    with rt.begin() as conn:
        return sealed.keys_behind(conn, rt.vault.id)


def _reseal(rt: Runtime, column: SealedColumn) -> int:
    done, after = 0, None
    while True:
        with rt.begin() as conn:
            rows = sealed.portion(conn, column, after, _PORTION)
            changes = [_anew(rt, column.purpose, *row) for row in rows if not rt.vault.is_current(row[1])]
            done += sealed.write(conn, column, changes)
        if len(rows) < _PORTION:
            return done
        after = rows[-1][0]


def _anew(rt: Runtime, purpose: str, id_: Any, content: bytes) -> tuple[Any, bytes, bytes]:
    return id_, content, rt.vault.seal(purpose, rt.vault.open(purpose, content))
