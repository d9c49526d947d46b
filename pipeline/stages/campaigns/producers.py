"""Producers of campaigns: whether a message of theirs may count for an account, how long it waits, if it is done."""

from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import accounts, requests


def requires_seal(rt: Runtime, account: str) -> bool:
    """Tell whether an account takes only what is sealed with its producer key; NotFound."""
    with rt.read_only() as conn:
        return accounts.named(conn, account).sealed_orders


def count_wait(rt: Runtime, request: UUID) -> float:
    """Note that a message cannot be processed yet; return for how many seconds it could not."""
    with rt.begin() as conn:
        return requests.count_wait(conn, request)


def is_done(rt: Runtime, request: UUID) -> bool:
    """Tell whether a message is done, and was only not acknowledged: what others did since must not be undone by it."""
    with rt.read_only() as conn:
        return requests.is_done(conn, request)


def note_done(rt: Runtime, request: UUID) -> None:
    """Note that a message is done; it is known for `idempotency_days`."""
    with rt.begin() as conn:
        requests.note_done(conn, request)
