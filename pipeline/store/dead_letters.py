"""The dead_letters and dead_letter_counts tables: unreadable input, counted; the latest letters are kept encrypted."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids
from pipeline.vault import Vault
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

Row = dict[str, Any]

#: most letters kept per source; the oldest are deleted
KEPT = 2000
#: most bytes kept per letter: with KEPT this limits a flood to 32 MiB per source
LARGEST = 16 * 1024

_PURPOSE = "dead_letter"

_COUNT = """
INSERT INTO dead_letter_counts AS c (source, origin, reason, letters)
SELECT * FROM unnest(%(sources)b::text[], %(origins)b::text[], %(reasons)b::text[], %(letters)b::int8[])
ON CONFLICT (source, origin, reason) DO UPDATE SET letters = c.letters + excluded.letters, last_at = now()
"""
_ADD = """
INSERT INTO dead_letters (id, source, origin, reason, size, sealed)
SELECT * FROM unnest(%(ids)b::uuid[], %(sources)b::text[], %(origins)b::text[], %(reasons)b::text[],
                     %(sizes)b::int4[], %(sealed)b::bytea[])
"""
_TRIM = """
DELETE FROM dead_letters WHERE source = %(source)s
  AND id <= (SELECT id FROM dead_letters WHERE source = %(source)s ORDER BY id DESC OFFSET %(kept)s LIMIT 1)
"""


def add(conn: Connection, vault: Vault | None, first: UUID, letters: Sequence[DeadLetter]) -> None:
    """Count letters and store the latest of each source, sealed (vault None: without content).

    Their ids begin at `first`.
    """
    if not letters:
        return
    tally = Counter((str(each.source), _plain(each.origin), each.reason) for each in letters)
    keys = sorted(tally)  # same lock order in concurrent calls
    counts = [list(column) for column in zip(*keys, strict=True)]
    words = dict(zip(("sources", "origins", "reasons"), counts, strict=True))
    conn.exec_driver_sql(_COUNT, {**words, "letters": [tally[key] for key in keys]})
    latest = list(enumerate(letters))[-KEPT:]
    conn.exec_driver_sql(
        _ADD,
        {
            "ids": [ids.after(first, place) for place, _ in latest],
            "sources": [str(each.source) for _, each in latest],
            "origins": [_plain(each.origin) for _, each in latest],
            "reasons": [each.reason for _, each in latest],
            "sizes": [each.length or len(each.payload) for _, each in latest],
            "sealed": [vault.seal(_PURPOSE, each.payload[:LARGEST]) if vault else None for _, each in latest],
        },
    )
    for source in sorted({source for source, _, _ in keys}):
        conn.exec_driver_sql(_TRIM, {"source": source, "kept": KEPT})


def _plain(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


_LATEST = """
SELECT id, source, origin, reason, size, received_at FROM dead_letters
WHERE source = %(source)s AND id < %(before)s ORDER BY id DESC LIMIT %(limit)s
"""
#: greater than any id
_END = UUID(int=(1 << 128) - 1)
_ONE = """
SELECT id, source, origin, reason, size, received_at, sealed FROM dead_letters
WHERE id = %(id)s AND source = %(source)s
"""


def latest(conn: Connection, source: DeadLetterSource, limit: int, before: UUID | None = None) -> list[Row]:
    """Return up to `limit` letters of a source without content, the latest first: before that one, if given."""
    rows = conn.exec_driver_sql(_LATEST, {"source": str(source), "before": before or _END, "limit": limit})
    return [dict(row) for row in rows.mappings()]


def one(conn: Connection, vault: Vault | None, source: DeadLetterSource, id_: UUID) -> Row | None:
    """Return a letter with its stored content as `payload` (bytes; None: not stored), or None when there is none."""
    row = conn.exec_driver_sql(_ONE, {"id": id_, "source": str(source)}).mappings().first()
    if row is None:
        return None
    found = dict(row)
    sealed = found.pop("sealed")
    return found | {"payload": vault.open(_PURPOSE, sealed) if vault and sealed else None}


_DROP = "DELETE FROM dead_letters WHERE source = %(source)s AND (%(id)s::uuid IS NULL OR id = %(id)s)"


def drop(conn: Connection, source: DeadLetterSource, id_: UUID | None) -> int:
    """Delete a letter (None: all of the source); return how many. The counts stay."""
    return conn.exec_driver_sql(_DROP, {"source": str(source), "id": id_}).rowcount


_COUNTS = """
SELECT source, origin, reason, letters, first_at, last_at FROM dead_letter_counts ORDER BY source, origin, reason
"""


def counts(conn: Connection) -> list[Row]:
    """Return the number of letters ever received, by source, origin and reason."""
    return [dict(row) for row in conn.exec_driver_sql(_COUNTS).mappings()]


_KEPT = "SELECT source, count(*) AS letters FROM dead_letters GROUP BY source ORDER BY source"


def kept(conn: Connection) -> dict[str, int]:
    """Return source → the number of letters that are kept: KEPT at most."""
    return {row.source: row.letters for row in conn.exec_driver_sql(_KEPT)}


_PRUNE = "DELETE FROM dead_letters WHERE id < %(edge)s"


def prune(conn: Connection, before: datetime) -> int:
    """Delete letters that arrived before then; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"edge": ids.lowest(before)}).rowcount
