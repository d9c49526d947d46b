"""Producers of campaigns: whether what came through the broker may count for an account, and how often it came."""

from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import accounts, requests


def requires_seal(rt: Runtime, account: str) -> bool:
    """Tell whether an account takes only what is sealed with its producer key; NotFound."""
    with rt.read_only() as conn:
        return accounts.named(conn, account).sealed_orders


def count_try(rt: Runtime, request: UUID) -> int:
    """Count a try of a message that cannot be processed yet; return how many there were."""
    with rt.begin() as conn:
        return requests.count_redelivery(conn, request)
