"""Dead letters: store unreadable input encrypted, and list, show and drop it for operators."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import audit_log
from pipeline.store import dead_letters as store
from pipeline.store.dead_letters import Row
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

__all__ = ["Row", "counts", "drop", "keep", "listed", "shown"]


def keep(rt: Runtime, letters: Sequence[DeadLetter]) -> None:
    """Count dead letters and store the latest of them, encrypted, in a transaction of their own."""
    if letters:
        with rt.begin() as conn:
            store.add(conn, rt.vault_or_none, rt.new_ids(), letters)


def listed(rt: Runtime, source: DeadLetterSource, limit: int) -> list[Row]:
    """Return up to `limit` dead letters of a source, without their content, the latest first."""
    with rt.begin() as conn:
        return store.latest(conn, source, limit)


def shown(rt: Runtime, source: DeadLetterSource, letter: UUID) -> Row | None:
    """Return a dead letter with what is stored of its content (`payload`, bytes or None); None: there is none."""
    with rt.begin() as conn:
        return store.one(conn, rt.vault_or_none, source, letter)


def drop(rt: Runtime, source: DeadLetterSource, letter: UUID | None) -> int:
    """Delete a dead letter, or (None) all of a source; return how many."""
    with rt.begin() as conn:
        deleted = store.drop(conn, source, letter)
        if deleted:
            audit_log.note(conn, "dead_letters", f"{source} {letter or '*'}", "delete", {"deleted": deleted})
        return deleted


def counts(rt: Runtime) -> list[Row]:
    """Return the number of dead letters since ever, by source, origin and reason."""
    with rt.begin() as conn:
        return store.counts(conn)
