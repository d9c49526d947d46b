"""The registry of dialects: each vendor's folder exports one object, which is named here and nowhere else."""

from pipeline.dialects import robase, solaris, telesign, webex
from pipeline.dialects.contract import Dialect
from pipeline.rules.text.segments import Capacity

#: by name
DIALECTS: dict[str, Dialect] = {each.DIALECT.name: each.DIALECT for each in (robase, solaris, telesign, webex)}


def rows() -> dict[str, bool]:
    """Return what `migrate` stores of dialects: by name, whether it has webhooks for persons' numbers."""
    return {name: each.person_webhook is not None for name, each in DIALECTS.items()}


def capacities() -> dict[str, Capacity]:
    """Return the capacity of a part where a vendor bills by other lengths than are sent, by name space."""
    return {space: capacity for each in DIALECTS.values() for space, capacity in each.billing.items()}
