"""The registry of dialects: each folder, a vendor's or our own, exports one object, which is named here alone."""

from pipeline.dialects import postroad, robase, solaris, telesign, webex
from pipeline.dialects.contract import Dialect
from pipeline.rules.text.segments import Capacity
from schema.api import DialectEvents

#: by name
DIALECTS: dict[str, Dialect] = {
    each.DIALECT.name: each.DIALECT for each in (postroad, robase, solaris, telesign, webex)
}


def rows() -> dict[str, DialectEvents]:
    """Return what `migrate` stores of dialects: by name, which events it has webhooks for."""
    return {
        name: DialectEvents(
            has_persons=each.person_webhook is not None,
            has_inbound=each.inbound_webhook is not None,
            has_campaigns=each.campaign_webhook is not None,
        )
        for name, each in DIALECTS.items()
    }


def capacities() -> dict[str, Capacity]:
    """Return the capacity of a part where a vendor bills by other lengths than are sent, by name space."""
    return {space: capacity for each in DIALECTS.values() for space, capacity in each.billing.items()}
