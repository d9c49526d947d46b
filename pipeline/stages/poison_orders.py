"""Poison orders: count the redeliveries of an order whose workers died, before any row of the order is written."""

from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import requests
from schema.message import Refusal
from schema.vocabulary import Code

#: the refusal of an order that kills its workers, or that raises an unexpected error
POISON = Refusal(Code.POISON, "this order could not be read by us; it was put aside, please tell us its request id")


def count_redelivery(rt: Runtime, request: UUID) -> bool:
    """Count a redelivery of an order, before it is read again; return whether there were too many."""
    with rt.begin() as conn:
        return requests.count_redelivery(conn, request) > rt.settings.poison_claims
