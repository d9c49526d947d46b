"""Dead letters: store unreadable input encrypted, and list, show, drop and requeue it for operators."""

from collections.abc import Callable, Sequence
from uuid import UUID

from pipeline.errors import Conflict, NotFound
from pipeline.runtime import Runtime
from pipeline.store import audit_log
from pipeline.store import dead_letters as store
from pipeline.store.dead_letters import Row
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

__all__ = ["Row", "counts", "drop", "keep", "listed", "requeue", "reveal", "shown"]

#: puts a message into a queue of the broker
Put = Callable[[str, bytes], None]


def keep(rt: Runtime, letters: Sequence[DeadLetter]) -> None:
    """Count dead letters and store the latest of them, encrypted, in a transaction of their own."""
    if letters:
        with rt.begin() as conn:
            store.add(conn, rt.vault_or_none, rt.new_ids(), letters)


def listed(rt: Runtime, source: DeadLetterSource, limit: int, before: UUID | None = None) -> list[Row]:
    """Return up to `limit` dead letters of a source, without content, the latest first: before that one, if given."""
    with rt.begin() as conn:
        return store.latest(conn, source, limit, before)


def shown(rt: Runtime, source: DeadLetterSource, letter: UUID) -> Row | None:
    """Return a dead letter with what is stored of its content (`payload`, bytes or None); None: there is none."""
    with rt.begin() as conn:
        return store.one(conn, rt.vault_or_none, source, letter)


def reveal(rt: Runtime, source: DeadLetterSource, letter: UUID) -> Row | None:
    """Return a dead letter as `shown` does, and enter in the audit log that its content was looked at."""
    with rt.begin() as conn:
        found = store.one(conn, rt.vault_or_none, source, letter)
        if found is not None:
            audit_log.note(conn, "dead_letters", f"{source} {letter}", "reveal", {"bytes": found["size"]})
        return found


def requeue(rt: Runtime, letter: UUID, put: Put) -> str:
    """Put a message of the broker into its queue again, delete its dead letter, and return the queue.

    NotFound: there is no such letter. Conflict: its content was not kept, or not all of it. What `put` raises leaves
    the letter; a message that is put twice is one order, by its id.
    """
    found = shown(rt, DeadLetterSource.BROKER, letter)
    if found is None:
        raise NotFound("there is no such dead letter")
    if found["payload"] is None or len(found["payload"]) < found["size"]:
        raise Conflict("its content was not kept, or not all of it: have the order sent again")
    put(found["origin"], found["payload"])
    with rt.begin() as conn:
        store.drop(conn, DeadLetterSource.BROKER, letter)
        audit_log.note(conn, "dead_letters", f"broker {letter}", "requeue", {"queue": found["origin"]})
    return str(found["origin"])


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
