"""Number prefixes of mobile networks, as operators import and list them."""

import re
from collections.abc import Mapping

from pipeline.errors import require
from pipeline.rules.routing.destinations import is_network
from pipeline.runtime import Runtime
from pipeline.store import networks


def set_networks(rt: Runtime, plan: Mapping[str, str]) -> None:
    """Replace all number prefixes by these: prefix → network as MCC-MNC. InvalidInput."""
    for prefix, network in plan.items():
        is_prefix = re.fullmatch("[0-9]{1,15}", prefix)
        require(is_prefix, f"{prefix!r} is not a prefix: write leading digits without the plus")
        require(is_network(network), f"{network!r} is not a network: write MCC-MNC, such as 621-20")
    with rt.begin() as conn:
        networks.replace(conn, plan)


def list_networks(rt: Runtime) -> dict[str, str]:
    """Return prefix → network as MCC-MNC."""
    with rt.begin() as conn:
        return networks.all_of(conn)
