"""Register: the sender ids that an account asks for; an operator approves or rejects them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.api import sender_ids as store
from schema.api_views import ShownSenderId

__all__ = ["ShownSenderId", "amend", "delete", "find", "list_all", "register"]

#: sender ids one answer lists
_MOST = 1000


def register(
    rt: Runtime, account_id: int, sender: str, countries: Sequence[str], registration: Mapping[str, Any]
) -> ShownSenderId | None:
    """Write a sender id that waits for approval; return it, or None when the account has it already.

    One that was rejected may be asked for again.
    """
    with rt.begin() as conn:
        return store.create(conn, account_id, sender, countries, registration)


def find(rt: Runtime, account_id: int, id_: UUID) -> ShownSenderId | None:
    """Return an account's sender id, or None."""
    with rt.begin() as conn:
        return store.find(conn, account_id, id_)


def list_all(rt: Runtime, account_id: int) -> list[ShownSenderId]:
    """Return an account's sender ids, the oldest first."""
    with rt.begin() as conn:
        return store.listing(conn, account_id, _MOST)


def amend(
    rt: Runtime, account_id: int, id_: UUID, countries: Sequence[str] | None, registration: Mapping[str, Any]
) -> ShownSenderId | None:
    """Change what is said of a sender id that waits for approval; return it, or None when none waits under that id."""
    with rt.begin() as conn:
        return store.update(conn, account_id, id_, countries, registration)


def delete(rt: Runtime, account_id: int, id_: UUID) -> bool:
    """Delete a sender id; return whether there was one. What waits to be sent under it goes all the same."""
    with rt.begin() as conn:
        return store.delete(conn, account_id, id_)
