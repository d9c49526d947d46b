"""Secret key rotation: re-encrypt all encrypted columns of the database under the current POSTROAD_SECRET_KEY."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.runtime import Runtime
from pipeline.store import audit_log, message_index, sealed
from pipeline.store.sealed import SealedColumn

Row = dict[str, Any]

#: rows re-encrypted in one transaction
_PORTION = 500


@dataclass(frozen=True, slots=True)
class Rotation:
    """Progress of the rotation of the secret key."""

    #: number of re-encrypted rows, by table
    resealed: Mapping[str, int]
    #: API keys still hashed with an older secret key: each is rehashed when it is used next
    behind: list[Row]


def rotate(rt: Runtime) -> Rotation:
    """Re-encrypt what is encrypted under an older secret key or not at all; idempotent, and safe to interrupt.

    ConfigurationError: something is encrypted under a key that is neither the current one nor an old one.
    """
    resealed: dict[str, int] = {}
    for column in sealed.COLUMNS:
        resealed[column.label] = resealed.get(column.label, 0) + _reseal(rt, column)
    with rt.begin() as conn:
        resealed["carriers"] = sealed.reseal_settings(conn, rt.resealed)
        sealed.stamp_sealed_keys(conn, rt.vault.id)
        return Rotation(resealed, sealed.keys_behind(conn, rt.vault.id))


def behind(rt: Runtime) -> list[Row]:
    """Return the API keys that would be invalid without the old secret keys."""
    with rt.begin() as conn:
        return sealed.keys_behind(conn, rt.vault.id)


def replace_search_key(rt: Runtime) -> None:
    """Delete the key of the search by number with all entries; the next tick makes another and indexes all anew."""
    with rt.begin() as conn:
        message_index.forget(conn)
        audit_log.note(conn, "search_keys", "key", "replaced", {})


def _reseal(rt: Runtime, column: SealedColumn) -> int:
    done, after = 0, None
    while True:
        with rt.begin() as conn:
            rows = sealed.portion(conn, column, after, _PORTION)
            old = [(id_, content) for id_, content in rows if not rt.vault.is_current(content)]
            changes = [_anew(rt, column.purpose, id_, content) for id_, content in old]
            done += sealed.write(conn, column, changes)
        if len(rows) < _PORTION:
            return done
        after, _ = rows[-1]


def _anew(rt: Runtime, purpose: str, id_: Any, content: bytes) -> tuple[Any, bytes, bytes]:
    return id_, content, rt.vault.seal(purpose, rt.vault.open(purpose, content))
