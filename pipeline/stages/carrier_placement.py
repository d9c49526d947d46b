"""Placement of carriers: which process sends for a carrier, keeps its binds connected, and reports their state."""

import socket
import time

from pipeline.carriers import registry
from pipeline.carriers.contract import Carrier, ConnectedCarrier, Listener
from pipeline.runtime import Runtime
from pipeline.store import carrier_binds, carriers
from schema.carriage import BindReport
from schema.vocabulary import Placement

#: seconds for which the placements are cached
_FRESH = 5.0


def placement(rt: Runtime, carrier: str) -> Placement:
    """Return a carrier's placement, cached for some seconds; SHARED if it does not exist any more."""
    known, read_at = rt.placements
    if carrier not in known or time.monotonic() - read_at > _FRESH:
        known = all_placements(rt)
        rt.placements = known, time.monotonic()
    return known.get(carrier, Placement.SHARED)


def all_placements(rt: Runtime) -> dict[str, Placement]:
    """Return carrier → placement, including drained carriers, whose receipts still arrive."""
    with rt.read_only() as conn:
        return {row.name: registry.placement(row.kind) for row in carriers.all_of(conn)}


def keep_connected(rt: Runtime, name: str, listener: Listener) -> Carrier | None:
    """Connect a carrier with its current settings, and listen to it; return it, or None if there is none of that name.

    ConfigurationError: invalid settings. Call it periodically: settings change.
    """
    with rt.read_only() as conn:
        row = next((row for row in carriers.all_of(conn) if row.name == name), None)
    if row is None:
        return None
    carrier = rt.carrier(row.name, row.kind, row.settings)
    if isinstance(carrier, ConnectedCarrier):
        carrier.listen(listener)
    return carrier


#: seconds after which an unchanged bind report is written again
AGAIN = 60.0


class BindReporter:
    """Writes the state of one carrier's binds for `carrier status`: changes at once, else periodically."""

    def __init__(self, name: str) -> None:
        """Begin with nothing reported."""
        self._name = name
        self._host = socket.gethostname()
        self._reported: BindReport | None = None
        self._reported_at = float("-inf")

    def look(self, rt: Runtime, carrier: object) -> None:
        """Write the bind report of a carrier that has binds, if it changed or the last one is old."""
        report = carrier.report() if isinstance(carrier, ConnectedCarrier) else None
        now = time.monotonic()
        if report and (report != self._reported or now - self._reported_at > AGAIN):
            with rt.begin() as conn:
                carrier_binds.write(conn, self._name, self._host, report)
            self._reported, self._reported_at = report, now
