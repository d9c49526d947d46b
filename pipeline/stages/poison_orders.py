"""Stumble: count how often an order comes back because its reader died. No row stands for it yet, so this one does."""

from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import requests
from schema.message import Refusal
from schema.vocabulary import Code

#: the answer to an order that nobody survives, or that our own code cannot read
POISON = Refusal(Code.POISON, "this order could not be read by us; it was put aside, please tell us its request id")


def count_redelivery(rt: Runtime, request: UUID) -> bool:
    """Count, before reading it again, that an order came back; tell whether it did so too often."""
    with rt.begin() as conn:
        return requests.count_redelivery(conn, request) > rt.settings.poison_claims
