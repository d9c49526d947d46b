"""Dead letters: set aside input that could not be read, and let an operator look at it."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import dead_letters as store
from pipeline.store.dead_letters import Row
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

__all__ = ["Row", "counts", "drop", "keep", "listed", "shown"]


def keep(rt: Runtime, letters: Sequence[DeadLetter]) -> None:
    """Count letters and keep the latest of them, sealed, in a transaction of their own."""
    if letters:
        with rt.begin() as conn:
            store.add(conn, rt.vault_or_none, rt.new_ids(), letters)


def listed(rt: Runtime, source: DeadLetterSource, limit: int) -> list[Row]:
    """Return a source's letters without their content, the latest first."""
    with rt.begin() as conn:
        return store.latest(conn, source, limit)


def shown(rt: Runtime, source: DeadLetterSource, letter: UUID) -> Row | None:
    """Return a letter with what is kept of its content (`payload`, bytes or None), or None when there is none."""
    with rt.begin() as conn:
        return store.one(conn, rt.vault_or_none, source, letter)


def drop(rt: Runtime, source: DeadLetterSource, letter: UUID | None) -> int:
    """Remove a letter, or all letters of a source; return how many went."""
    with rt.begin() as conn:
        return store.drop(conn, source, letter)


def counts(rt: Runtime) -> list[Row]:
    """Return how many letters there ever were, by source, origin and reason."""
    with rt.begin() as conn:
        return store.counts(conn)
