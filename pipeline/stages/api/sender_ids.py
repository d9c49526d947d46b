"""Registration of sender ids by an account through its API; an operator approves or rejects them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.api import sender_ids as store
from schema.api_views import ShownSenderId

__all__ = ["ShownSenderId", "amend", "delete", "find", "list_all", "register"]

#: maximum number of sender ids in a list
_MOST = 1000


def register(
    rt: Runtime, account_id: int, sender: str, countries: Sequence[str], registration: Mapping[str, Any]
) -> ShownSenderId | None:
    """Register a sender id, pending approval; return it, or None if the account has it already.

    A rejected one may be registered again.
    """
    with rt.begin() as conn:
        return store.create(conn, account_id, sender, countries, registration)


def find(rt: Runtime, account_id: int, id_: UUID) -> ShownSenderId | None:
    """Return a sender id of an account, or None."""
    with rt.begin() as conn:
        return store.find(conn, account_id, id_)


def list_all(rt: Runtime, account_id: int) -> list[ShownSenderId]:
    """Return an account's sender ids, the oldest first."""
    with rt.begin() as conn:
        return store.listing(conn, account_id, _MOST)


def amend(
    rt: Runtime, account_id: int, id_: UUID, countries: Sequence[str] | None, registration: Mapping[str, Any]
) -> ShownSenderId | None:
    """Change the registration of a pending sender id; return it, or None if none is pending under that id."""
    with rt.begin() as conn:
        return store.update(conn, account_id, id_, countries, registration)


def delete(rt: Runtime, account_id: int, id_: UUID) -> bool:
    """Delete a sender id; return whether there was one. Messages already accepted with it are still sent."""
    with rt.begin() as conn:
        return store.delete(conn, account_id, id_)
